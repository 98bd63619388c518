"""The declarations of a schema as they stand in a file: where each begins and ends, and the parts that may be edited.

The text is one that Cedar has parsed: what is not a schema never comes here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django_avp.cedar import unquote
from django_avp.declarations import join

__all__ = ["AttributeSource", "Block", "Declaration", "Source", "Span"]

# Comments are stepped over whole: words in them are no tokens.
_PIECE = re.compile(r'//[^\n]*|("(?:[^"\\]|\\.)*"|\w+(?:::\w+)*|[{}\[\]<>(),;?=@:])', re.DOTALL)
_CLOSING = {"{": "}", "[": "]", "<": ">", "(": ")"}


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the text, from ``start`` up to but not with ``end``."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class AttributeSource:
    """An attribute: all of it with its annotations, the mark that it is optional (empty without), and its type."""

    name: str
    whole: Span
    mark: Span
    type: Span


@dataclass(frozen=True, slots=True)
class Declaration:
    """A declaration of one name or of several that share the rest.

    Attributes:
        kind: ``"entity"``, ``"action"`` or ``"type"``.
        names: qualified names of types, ids of actions.
        name_texts: the names as they are written.
        start: where its annotations begin.
        whole: from the keyword to the semicolon.
        naming: the names.
        parents: of an entity, ``in …`` (empty without).
        shape: of an entity, its Record with what stands between the parents and it (empty without).
        attributes: those of the shape.
        applies: of an action, whether it says what it applies to.
        is_enumeration: of an entity, whether its ids are enumerated.
    """

    kind: str
    names: tuple[str, ...]
    name_texts: tuple[str, ...]
    start: int
    whole: Span
    naming: Span
    parents: Span
    shape: Span
    attributes: tuple[AttributeSource, ...] = ()
    applies: bool = False
    is_enumeration: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """What stands in a namespace, or outside of any (``""``): a file may open one several times."""

    namespace: str
    declarations: tuple[Declaration, ...]


class Source:
    """Reads a schema's text; what it found is in ``blocks``."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.blocks: list[Block] = []
        self._tokens = [(match[1], Span(*match.span(1))) for match in _PIECE.finditer(text) if match[1]]
        self._position = 0
        self._read_block("")

    def declarations(self, kind: str) -> Iterator[tuple[Block, Declaration]]:
        """Every declaration of a kind, with the block that it is in."""
        for block in self.blocks:
            yield from ((block, declaration) for declaration in block.declarations if declaration.kind == kind)

    # Tokens

    def _peek(self) -> str:
        return self._tokens[self._position][0] if self._position < len(self._tokens) else ""

    def _next(self) -> tuple[str, Span]:
        self._position += 1
        return self._tokens[self._position - 1]

    def _accept(self, token: str) -> bool:
        if self._peek() != token:
            return False
        self._position += 1
        return True

    @property
    def _end(self) -> int:
        """Where the token before ends."""
        return self._tokens[self._position - 1][1].end

    # Blocks

    def _read_block(self, namespace: str) -> None:
        declarations = []
        while self._peek() not in ("", "}"):
            first = self._tokens[self._position][1].start
            self._skip_annotations()
            keyword, _ = self._next()
            if keyword == "namespace":
                name, _ = self._next()
                self._next()
                self._read_block(name)
            else:
                declarations.append(self._read_declaration(keyword, first, namespace))
        self._position += 1
        self.blocks.append(Block(namespace, tuple(declarations)))

    def _skip_annotations(self) -> None:
        while self._accept("@"):
            self._next()
            if self._peek() == "(":
                self._skip_one()

    def _skip_one(self) -> None:
        """Step over a token, or over all between brackets."""
        token, _ = self._next()
        if token in _CLOSING:
            while self._peek() != _CLOSING[token]:
                self._skip_one()
            self._next()

    # Declarations

    def _read_declaration(self, kind: str, first: int, namespace: str) -> Declaration:
        start = self._end - len(kind)
        texts, naming = self._names()
        names = tuple(_name(kind, namespace, text) for text in texts)
        parents = self._parents()
        shape_start = self._end
        attributes: tuple[AttributeSource, ...] = ()
        if kind == "entity":
            self._accept("=")
            attributes = tuple(self._attributes()) if self._peek() == "{" else ()
        shape = Span(shape_start, self._end)
        following = self._peek()
        while not self._accept(";"):
            self._skip_one()
        whole = Span(start, self._end)
        is_applied, is_enumeration = following == "appliesTo", following == "enum"
        return Declaration(
            kind, names, texts, first, whole, naming, parents, shape, attributes, is_applied, is_enumeration
        )

    def _names(self) -> tuple[tuple[str, ...], Span]:
        token, span = self._next()
        tokens, start = [token], span.start
        while self._accept(","):
            tokens.append(self._next()[0])
        return tuple(tokens), Span(start, self._end)

    def _parents(self) -> Span:
        start = self._end
        if self._accept("in"):
            self._skip_one()
            # Actions name their groups as `Read` or as `Action::"Read"`.
            while self._peek() == ":" or self._peek().startswith('"'):
                self._next()
        return Span(start, self._end)

    def _attributes(self) -> Iterator[AttributeSource]:
        self._next()
        while not self._accept("}"):
            start = self._tokens[self._position][1].start
            self._skip_annotations()
            name, _ = self._next()
            mark_start = self._end
            self._accept("?")
            mark = Span(mark_start, self._end)
            self._next()
            type_start = self._tokens[self._position][1].start
            while self._peek() not in (",", "}"):
                self._skip_one()
            type_span = Span(type_start, self._end)
            self._accept(",")
            yield AttributeSource(_text(name), Span(start, self._end), mark, type_span)


def _name(kind: str, namespace: str, token: str) -> str:
    return _text(token) if kind == "action" else join(namespace, token)


def _text(token: str) -> str:
    return unquote(token) if token.startswith('"') else token
