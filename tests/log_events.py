"""What the package logs, read from its source: each event with its level, its logger and its fields."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import django_avp

PACKAGE = Path(django_avp.__file__).parent
LOGGERS = {"logger": "django_avp", "audit": "django_avp.audit", "rounds": "django_avp.rounds"}


def log_events():
    """Level, logger and fields of each event, by its name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for event, level, logger, fields in _events(ast.parse(path.read_text())):
            known = found.setdefault(event, (level, logger, set()))
            assert known[:2] == (level, logger), event
            known[2].update(fields)
    return found


def _events(tree):
    calls = [(call, function) for function in _all(tree, ast.FunctionDef) for call in _all(function, ast.Call)]
    logged = [(call, function) for call, function in calls if _is_logging(call)]
    names = {id(call.args[0]) for call, _ in logged}
    for call, function in logged:
        extra = next((_fields(keyword.value, function) for keyword in call.keywords if keyword.arg == "extra"), set())
        told = (call.func.attr, LOGGERS[call.func.value.id], extra)
        if isinstance(call.args[0], ast.Constant):
            yield (call.args[0].value, *told)
        else:
            # A variable: it is one of the names that stand elsewhere in the module.
            yield from ((name, *told) for name in _names(tree, names))


def _all(tree, kind):
    return [node for node in ast.walk(tree) if isinstance(node, kind)]


def _is_logging(call):
    function = call.func
    is_ours = isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name)
    return is_ours and function.value.id in LOGGERS and function.attr != "isEnabledFor"


def _names(tree, besides):
    constants = [node for node in _all(tree, ast.Constant) if id(node) not in besides]
    return {node.value for node in constants if re.fullmatch(r"avp\.[a-z_]+", str(node.value))}


def _fields(node, function):
    """The names in an ``extra``: of a dict, or of a variable that is given dicts and items."""
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return set().union(*(_fields(value, function) if key is None else {key.value} for key, value in pairs))
    if isinstance(node, ast.IfExp):
        return _fields(node.body, function) | _fields(node.orelse, function)
    found = set()
    for assigned in _all(function, ast.Assign):
        for target in assigned.targets:
            if isinstance(target, ast.Name) and target.id == node.id:
                found |= _fields(assigned.value, function)
            elif isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
                found |= {target.slice.value} if target.value.id == node.id else set()
    return found
