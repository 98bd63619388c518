"""Small documents of an issuer, fetched over HTTP: key sets, and where else it is found."""

from __future__ import annotations

import urllib.error
import urllib.request

__all__ = ["TIMEOUT", "fetch_document"]

TIMEOUT = 2.0
"""Seconds that a request waits for a document."""
MAX_BYTES = 1_000_000


def fetch_document(url: str, *, timeout: float = TIMEOUT) -> bytes:
    """Fetch the document at an http or https URL; redirects are refused, and so is more than a megabyte.

    Raises:
        OSError, ValueError, http.client.HTTPException: it cannot be fetched.
    """
    opener = urllib.request.OpenerDirector()
    # Built by hand: without a handler for redirects they are errors, and no handler knows `file:` or `ftp:`.
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    try:
        response = opener.open(url, timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        raise
    with response:
        body: bytes = response.read(MAX_BYTES + 1)
    if len(body) > MAX_BYTES:
        raise ValueError("The document is too large.")
    return body
