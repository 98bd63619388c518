"""Policies and their expressions in Cedar's JSON format: what must not be in them, and the forms that are wanted."""

from __future__ import annotations

from typing import Any

__all__ = ["as_policy", "balanced", "calls_unknown"]


def calls_unknown(node: object) -> bool:
    """Whether an expression in Cedar's JSON format calls ``unknown``.

    A call has a list of arguments. A Record's field of that name has an expression, which is never a list itself.
    """
    stack = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, dict):
            if isinstance(item.get("unknown"), list):
                return True
            stack.extend(item.values())
    return False


def as_policy(condition: Any) -> dict[str, Any]:
    """The policy that permits everything if a condition is true."""
    everything = {"op": "All"}
    return {
        "effect": "permit",
        "principal": everything,
        "action": everything,
        "resource": everything,
        "conditions": [{"kind": "when", "body": condition}],
    }


def balanced(node: Any) -> Any:
    """Rewrite `a && b && c && d` as `(a && b) && (c && d)`, and `||` alike, which decides the same.

    Cedar nests each further operand a level deeper, and its JSON format takes about 60 levels.
    """
    if isinstance(node, list):
        return [balanced(item) for item in node]
    if not isinstance(node, dict):
        return node
    for operator in ("&&", "||"):
        if _is_binary(node, operator):
            operands = []
            while _is_binary(node, operator):
                operands.append(balanced(node[operator]["right"]))
                node = node[operator]["left"]
            return _joined(operator, [balanced(node), *reversed(operands)])
    return {name: balanced(item) for name, item in node.items()}


def _is_binary(node: Any, operator: str) -> bool:
    # A Record's field may have the name of an operator, but holds an expression and not its operands.
    return isinstance(node, dict) and isinstance(node.get(operator), dict) and "left" in node[operator]


def _joined(operator: str, operands: list[Any]) -> Any:
    if len(operands) == 1:
        return operands[0]
    half = len(operands) // 2
    return {operator: {"left": _joined(operator, operands[:half]), "right": _joined(operator, operands[half:])}}
