"""Cedar's nouns as frozen values: entity ids, entities, checks and decisions.

Everything that passes through a request is built from these; none of them knows Django's requests or an engine.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any

__all__ = ["Cause", "Check", "Decision", "Entity", "EntityUid", "Verdict"]

# Source: Cedar's grammar, `Path` and `Entity`; string literals are Rust's.
_TYPE_NAME = re.compile(r"(?:[_a-zA-Z][_a-zA-Z0-9]*::)*[_a-zA-Z][_a-zA-Z0-9]*")
_UID = re.compile(rf'({_TYPE_NAME.pattern})::("(?:[^"\\]|\\.)*")', re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|x([0-7][0-9a-fA-F])|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "0": "\0", "'": "'", '"': '"'}
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\", "\0": "\\0", '"': '\\"'}
# `.` in AVP's id patterns (`.*`) matches no line terminator; JSON in UTF-8 has no lone surrogates.
_FORBIDDEN_IN_ID = re.compile("[\0\n\r\u0085\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class EntityUid:
    """The id of a Cedar entity: its ``type`` (``"PhotoFlash::Photo"``) and its ``id`` within the type.

    A type without ``::`` is put into ``AVP_NAMESPACE`` where the uid is used. Any text is accepted as an id here;
    what AVP would refuse is refused when a check is decided (:attr:`is_valid`).
    """

    type: str
    id: str
    # A page looks up thousands of ids: each tells its hash, which differs from process to process, once.
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.type, self.id)))

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[Any, ...]:
        return EntityUid, (self.type, self.id)

    @classmethod
    def parse(cls, text: str) -> EntityUid:
        """Read Cedar's text form, ``Photo::"1"``.

        Raises:
            ValueError: the text is not the text form of an entity id.
        """
        match = _UID.fullmatch(text.strip())
        if match is None:
            raise ValueError(f'{text!r} is not an entity id; write Type::"id".')
        return cls(match[1], unquote(match[2]))

    def __str__(self) -> str:
        """Cedar's text form, quoted, with everything escaped that does not print."""
        return f"{self.type}::{quote(self.id)}"

    @property
    def printable(self) -> str:
        """The id alone, for messages and logs: a line break that a client has put into it makes no line."""
        return quote(self.id)[1:-1]

    def in_namespace(self, namespace: str) -> EntityUid:
        """Return this id with its type put into ``namespace`` unless it names one already.

        Raises:
            TypeError: the type or the id is not text.
        """
        _require_text(self)
        return EntityUid(qualify(self.type, namespace), self.id)

    @property
    def is_valid(self) -> bool:
        """Whether AVP takes it: a well-formed type, both of allowed length, no line break or NUL (rule A9).

        Raises:
            TypeError: the type or the id is not text.
        """
        _require_text(self)
        return (
            _is_type_name(self.type)
            and 1 <= len(self.id) <= (512 if self.is_action else 612)
            and _FORBIDDEN_IN_ID.search(self.id) is None
        )

    @property
    def is_action(self) -> bool:
        """Whether the type is ``Action``, in any namespace."""
        return self.type == "Action" or self.type.endswith("::Action")

    def as_json(self) -> dict[str, str]:
        """The ``{"type", "id"}`` form of requests and of an entity's ``uid``."""
        return {"type": self.type, "id": self.id}


@lru_cache(maxsize=1024)
def _is_type_name(name: str) -> bool:
    return len(name) <= 200 and _TYPE_NAME.fullmatch(name) is not None


def qualify(name: str, namespace: str) -> str:
    """Return a type name in ``namespace``, unless it is qualified already or there is no namespace."""
    return name if not namespace or "::" in name else f"{namespace}::{name}"


def quote(text: str) -> str:
    """Write text as a Cedar string literal."""
    return f'"{"".join(_ESCAPES.get(character) or _printable(character) for character in text)}"'


def unquote(literal: str) -> str:
    """Read a Cedar string literal.

    Raises:
        ValueError: it holds an escape that Cedar does not have.
    """
    return _ESCAPE.sub(_unescape, literal[1:-1])


def _printable(character: str) -> str:
    return character if character.isprintable() else f"\\u{{{ord(character):x}}}"


def _unescape(match: re.Match[str]) -> str:
    digits = match[1] or match[2]
    code = int(digits, 16) if digits else None
    if code is None and match[3] in _ESCAPED:
        return _ESCAPED[match[3]]
    # A character is any code point but a surrogate.
    if code is None or code > sys.maxunicode or 0xD800 <= code <= 0xDFFF:
        raise ValueError(f"{match[0]!r} is not an escape in Cedar.")
    return chr(code)


def _require_text(uid: EntityUid) -> None:
    parts: tuple[object, object] = (uid.type, uid.id)
    if not (isinstance(parts[0], str) and isinstance(parts[1], str)):
        raise TypeError(
            f"The type and the id of an entity are text, not {type(uid.type).__name__} and {type(uid.id).__name__}; "
            'write EntityUid("Photo", "7").'
        )


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity as a decision sees it: attributes in Cedar's JSON format and the ids of its direct parents.

    The attributes may be claims: they stay out of ``repr``.
    """

    uid: EntityUid
    attributes: Mapping[str, Any] = field(default_factory=dict, repr=False)
    parents: tuple[EntityUid, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """One element of Cedar's JSON entities document."""
        return {
            "uid": self.uid.as_json(),
            "attrs": dict(self.attributes),
            "parents": [parent.as_json() for parent in self.parents],
        }


@dataclass(frozen=True, slots=True)
class Check:
    """One question about the principal: may it do ``action`` on ``resource`` in this ``context``?

    ``context`` is Cedar JSON text with sorted keys, empty for none, so that equal questions are equal values.
    It may hold request data and stays out of ``repr``.
    """

    action: EntityUid
    resource: EntityUid
    context: str = field(default="", repr=False)
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # The ids' own hashes: to ask each for it would be two calls more for every check of a page.
        object.__setattr__(self, "_hash", hash((self.action._hash, self.resource._hash, self.context)))

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[Any, ...]:
        return Check, (self.action, self.resource, self.context)


class Verdict(StrEnum):
    """What an engine said (rule B1). Only ``PERMITTED`` allows."""

    PERMITTED = "permitted"
    FORBIDDEN = "forbidden"
    """A ``forbid`` matched."""
    NOT_PERMITTED = "not_permitted"
    """No policy matched."""
    UNDECIDED = "undecided"
    """No answer: the engine failed, the question was not valid, or the answer made no sense."""


class Cause(StrEnum):
    """Why a decision is not the plain answer of an engine."""

    NONE = ""
    UNIDENTIFIED = "unidentified"
    """Nobody is signed in, and ``AVP_ANONYMOUS_PRINCIPAL`` does not name whom to ask about instead."""
    INACTIVE = "inactive"
    """The user is deactivated in Django, or there is none (rule B6)."""
    UNAVAILABLE = "unavailable"
    """The engine or the key set did not answer: asking again may help."""
    INVALID = "invalid"
    """The question was not one that the engine takes: asking again does not help."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to a check: true only when it is permitted.

    Attributes:
        verdict: what was decided; stored, never derived.
        determining_policies: ids of the policies that decided: the forbids that matched, else the permits.
        errors: ids of the policies that could not be evaluated and were skipped (rule B2), without their texts,
            which may quote claims (rule A8).
        cause: why there is no plain answer.
    """

    verdict: Verdict
    determining_policies: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    cause: Cause = Cause.NONE

    def __bool__(self) -> bool:
        return self.verdict is Verdict.PERMITTED

    @property
    def is_allowed(self) -> bool:
        """The same as the truth of the decision, for templates and for readers who prefer a name."""
        return bool(self)


UNIDENTIFIED = Decision(Verdict.NOT_PERMITTED, cause=Cause.UNIDENTIFIED)
INACTIVE = Decision(Verdict.NOT_PERMITTED, cause=Cause.INACTIVE)
UNAVAILABLE = Decision(Verdict.UNDECIDED, cause=Cause.UNAVAILABLE)
INVALID = Decision(Verdict.UNDECIDED, cause=Cause.INVALID)
