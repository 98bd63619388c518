"""How a part of a policy is refused while it is compiled."""

from __future__ import annotations

import json
import re
from typing import Any

import cedarpy

from django_avp.expressions import as_policy

__all__ = ["Untranslatable", "cedar_text"]

_STRING_OR_BLANK = re.compile(r'("(?:[^"\\]|\\.)*")|\s+', re.DOTALL)


class Untranslatable(Exception):  # noqa: N818 - never leaves the package: it becomes an UntranslatablePolicyError
    """Raised where an expression has no exact counterpart in SQL.

    Attributes:
        reason: why, in a sentence without its full stop.
        cure: what to do about it, a sentence.
        expression: the innermost expression that is refused, in Cedar's JSON format; noted on the way out.
    """

    def __init__(self, reason: str, cure: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.cure = cure
        self.expression: Any = None


def cedar_text(expression: Any) -> str:
    """Write an expression of Cedar's JSON format in Cedar's syntax."""
    policy = as_policy(_with_resource(expression))
    document = {"staticPolicies": {"policy": policy}, "templates": {}, "templateLinks": []}
    text = cedarpy.format_policies(cedarpy.policies_from_json_str(json.dumps(document)))
    body = text.partition("{")[2].rpartition("}")[0]
    # On one line, but for what is in its strings.
    return _STRING_OR_BLANK.sub(lambda found: found[1] or " ", body).strip()


def _with_resource(node: Any) -> Any:
    """The expression with the resource, and entities that there are not, by their names."""
    if isinstance(node, list):
        return [_with_resource(item) for item in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("unknown"), list):
        name = node["unknown"][0]["Value"]
        return {"Var": "resource"} if name == "resource" else {"Value": name}
    return {key: _with_resource(item) for key, item in node.items()}
