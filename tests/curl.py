"""What the documentation does with curl, for machines that have none."""

from __future__ import annotations

import argparse
import sys
from http.client import HTTPConnection
from urllib.parse import urlsplit


def main() -> None:
    """Send one request, and print the response's body, or its head with ``-I``."""
    parser = argparse.ArgumentParser("curl")
    parser.add_argument("-s", action="store_true")
    parser.add_argument("-I", action="store_true")
    parser.add_argument("-X")
    parser.add_argument("-H", action="append", default=[])
    parser.add_argument("-d")
    parser.add_argument("url")
    options = parser.parse_args()
    headers = {"Accept": "*/*"}
    if options.d is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    headers.update(tuple(header.split(": ", 1)) for header in options.H)
    method = options.X or ("HEAD" if options.I else "GET" if options.d is None else "POST")
    url = urlsplit(options.url)
    connection = HTTPConnection(url.netloc, timeout=60)
    connection.request(method, url._replace(scheme="", netloc="").geturl(), options.d, headers)
    response = connection.getresponse()
    head = "".join(f"{name}: {value}\n" for name, value in response.getheaders())
    sys.stdout.write(head if options.I else response.read().decode())


if __name__ == "__main__":
    main()
