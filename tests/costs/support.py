"""Logs of rounds, as sites write them and as tests make them up."""

from __future__ import annotations

import json


def line(at, checks, *, number=1, calls=1, prefix="", **fields):
    """A line of the log: checks are as many new ones as a number says, or those that a text names."""
    names = checks.split() if isinstance(checks, str) else [f"{at}-{position}" for position in range(checks)]
    document = {"event": "avp.round", "at": at, "round": number, "checks": len(names), "calls": calls}
    return f"{prefix}{json.dumps({**document, 'digests': ' '.join(names), **fields})}\n"
