"""The words of an expression: as its policy has them, where they can be found there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import cedarpy

from django_avp.expressions import balanced
from django_avp.filtering.untranslatable import cedar_text

__all__ = ["as_written"]

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|\w+|[^\w\s]', re.DOTALL)
_PIECE = re.compile(r'("(?:[^"\\]|\\.)*")|\s*//[^\n]*|\s+', re.DOTALL)


def as_written(expression: Any, source: str) -> str:
    """An expression of Cedar's JSON format as it stands in the text of its policy, on one line.

    Where the text has it in other words (a slot that was filled, ``resource["name"]``), it is written anew.
    """
    text = cedar_text(expression)
    for place in _places(text, source):
        if _is_same(place, expression):
            return _PIECE.sub(lambda piece: piece[1] or " ", place).strip()
    return text


def _places(text: str, source: str) -> Iterator[str]:
    """The parts of a source that have the tokens of a text, brackets apart: Cedar writes more of them than people."""
    wanted = [token[0] for token in _tokens(text)]
    found = list(_tokens(source))
    words = [token[0] for token in found]
    for start in range(len(found) - len(wanted) + 1):
        end = start + len(wanted)
        if words[start:end] == wanted:
            yield _in_brackets(source, found[start].start(), found[end - 1].end())


def _tokens(text: str) -> Iterator[re.Match[str]]:
    return (token for token in _TOKEN.finditer(text) if token[0] not in "()" and not token[0].startswith("//"))


def _in_brackets(source: str, first: int, last: int) -> str:
    """A part of a source, widened until every bracket that it has is opened and closed."""
    depth = lowest = 0
    for token in _TOKEN.findall(source[first:last]):
        depth += {"(": 1, ")": -1}.get(token, 0)
        lowest = min(lowest, depth)
    for _ in range(-lowest):
        first = source.rfind("(", 0, first)
    for _ in range(depth - lowest):
        last = source.find(")", last) + 1
    return source[first:last]


def _is_same(text: str, expression: Any) -> bool:
    try:
        document = json.loads(cedarpy.policies_to_json_str(f"permit(principal, action, resource) when {{ {text} }};"))
    except ValueError:
        return False
    (policy,) = document["staticPolicies"].values()
    return bool(balanced(policy["conditions"][0]["body"]) == expression)
