"""Policy files as text: which there are, the statements in them, and the line that an error of Cedar is about."""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from django_avp.exceptions import PolicyError

__all__ = [
    "LINKS_FILE",
    "MAX_NESTING",
    "MAX_POLICY_BYTES",
    "SCHEMA_FILE",
    "Statement",
    "comments",
    "explain",
    "files",
    "fingerprint",
    "nesting",
    "read",
    "refuse_gaps",
    "refuse_missing",
    "statements",
    "write_all",
]

SCHEMA_FILE = "schema.cedarschema"
LINKS_FILE = "template-links.json"
_PATTERNS = ("*.cedar", SCHEMA_FILE, LINKS_FILE)
# Cedar's parser ends the process where brackets are nested some hundreds deep, or thousands of operators follow each
# other without any.
MAX_NESTING = 100
# Source: Verified Permissions User Guide, "Quotas".
MAX_POLICY_BYTES = 10_000

_STRING = r'"(?:[^"\\]|\\.)*"'
# Strings and comments are stepped over whole: a `;` in them does not end a statement.
_PIECE = re.compile(rf"{_STRING}|//[^\n]*|;", re.DOTALL)
_NESTING = re.compile(rf"{_STRING}|//[^\n]*|\bif\b|&&|\|\||[()\[\]{{}}<>,.+*-]", re.DOTALL)
# How many levels of brackets what needs none is as deep as: 200 times `if`, 800 times `&&` or `||`, of which Pythons
# differ in how many they walk through, or 2,000 other operators in a row.
_WEIGHTS = {"if": 0.5, "&&": 0.125, "||": 0.125, **dict.fromkeys((".", "[", "+", "-", "*"), 0.05)}
_COMMENT = re.compile(rf"({_STRING})|//[^\n]*", re.DOTALL)
_TOKEN = re.compile(rf"{_STRING}|\?\w+|\w+|::|==|!=|<=|>=|&&|\|\||\S", re.DOTALL)
_QUOTED = re.compile(r"`([^`]+)`|^'([^']+)'|: (\w+)$")
# Part of a message of cedarpy, and what to do about it.
_CURES = (
    ("unexpected end", "Close what is open; a `;` may be missing at the end."),
    ("unexpected token", "Look at what stands before it; a `;` may be missing there."),
    ("invalid token", "A string may not be closed."),
    ("failed to resolve type", "Declare it, or correct its name."),
)
# A file from one path to another.
_Move = tuple[Path, Path]


@dataclass(frozen=True, slots=True)
class Statement:
    """One policy, template or link as it stands in a file.

    Attributes:
        path: the file.
        line: the line that it begins on, from 1, the comments before it apart.
        text: its text, with the comments before it.
        column: where ``text`` begins on its first line, from 1.
    """

    path: Path
    line: int
    text: str
    column: int = 1

    @property
    def place(self) -> str:
        """File and line, as in a compiler's message."""
        return f"{self.path}:{self.line}"

    @property
    def is_link(self) -> bool:
        """Whether it is a template link, whose text is JSON."""
        return self.text.startswith("{")

    def error(self, cause: str, position: int | None = None) -> PolicyError:
        """The error that something is wrong with it.

        Args:
            cause: what is wrong, and the cure.
            position: where in ``text`` that is, from 0; ``None`` if it is the whole of it.
        """
        if position is None:
            return PolicyError(cause, self.path, self.line)
        first = self.line - self.text.count("\n", 0, _beginning(self.text))
        before = self.text[:position]
        line, indent = before.count("\n"), len(before) - before.rfind("\n") - 1
        column = indent + (1 if line else self.column)
        # Tabs stay, so that the caret stands below its character.
        caret = re.sub(r"[^\t]", " ", before[len(before) - indent :]) + "^"
        source = self.text.split("\n")[line]
        return PolicyError(cause, self.path, first + line, column, f"{source}\n{caret}")


def refuse_missing(directories: Iterable[Path]) -> None:
    """See to it that every directory is there: the forbids of one that is not would be missed by nobody.

    Raises:
        PolicyError: one is no directory.
    """
    for directory in directories:
        if not os.path.isdir(directory):
            raise PolicyError(
                f"AVP_POLICIES: {directory} is not a directory. Name the one that holds the *.cedar files."
            )


def refuse_gaps(directories: Sequence[Path]) -> None:
    """See to it that every directory is there, or none: before its first files, a site may have no directory yet.

    Raises:
        PolicyError: one is no directory, beside others that are.
    """
    if any(map(os.path.isdir, directories)):
        refuse_missing(directories)


def files(directories: Iterable[Path], pattern: str) -> list[Path]:
    """The files below ``directories`` that match, each once; hidden files and directories are passed over.

    Editors keep locks and backups under hidden names, and Kubernetes the versions of a mounted volume. Links are
    followed: to Kubernetes' versions, files and folders are links.

    Raises:
        PolicyError: a folder cannot be read, or a link leads nowhere, so that what it has would be missing.
    """
    found: dict[str, Path] = {}
    folders: set[str] = set()
    for directory in directories:
        for path in sorted(path for path in _walk(directory, folders) if path.match(pattern)):
            found.setdefault(os.path.realpath(path), path)
    return list(found.values())


def _walk(directory: Path, seen: set[str]) -> Iterator[Path]:
    """The policy files, schemas and links below a directory; folders that were ``seen`` are not entered again."""
    if not os.path.isdir(directory):
        # A pull may be about to make it.
        return
    for folder, folders, names in os.walk(directory, onerror=_refuse_folder, followlinks=True):
        if (real := os.path.realpath(folder)) in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for path in (Path(folder, name) for name in names if not name.startswith(".")):
            if any(map(path.match, _PATTERNS)):
                yield path
            elif path.is_symlink() and not os.path.exists(path):
                raise PolicyError("leads nowhere that this process may read. Mend the link, or remove it.", path)


def _refuse_folder(error: OSError) -> None:
    raise PolicyError(f"cannot be read ({error.strerror}). Let this process read it.", Path(error.filename)) from error


def fingerprint(directories: Iterable[Path]) -> tuple[object, ...]:
    """A value that changes when a policy file, the schema or the links change, appear or disappear."""
    directories = tuple(directories)
    return tuple((path, _marks(path)) for pattern in _PATTERNS for path in files(directories, pattern))


def _marks(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        # It went away since it was listed, or is a link to nowhere; reading it tells.
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def read(path: Path) -> str:
    """Read a file, whatever its line ends and whether or not it begins with a byte order mark.

    Raises:
        PolicyError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        cause = f"cannot be read as UTF-8 text ({error.__class__.__name__})"
        raise PolicyError(f"{cause}. Save it as UTF-8, and let this process read it.", path) from error


def write_all(texts: Mapping[Path, str | None]) -> None:
    """Write files: each is written aside first, and only when all are, they take their places.

    Of a link, what it leads to is written; what is removed is the link.

    Args:
        texts: by path; ``None`` removes a file.

    Raises:
        PolicyError: one cannot be written; none was changed, but for those that it names as not moved back.
    """
    asides: set[Path] = set()
    undo: list[_Move] = []
    try:
        moves = {}
        for path, text in texts.items():
            moves[path] = _prepared(path, text, asides)
        for path in moves:
            move, back = moves[path]
            os.replace(*move)
            undo.append(back)
    except OSError as error:
        cause = f"cannot be written ({error.strerror}). Let this process write there."
        raise PolicyError(" ".join([cause, *_undone(undo, asides)]), path) from error
    finally:
        for aside in asides:
            # It took its place, or cannot be removed; either way the files are as they are told to be.
            with suppress(OSError):
                aside.unlink()


def _undone(undo: Sequence[_Move], asides: set[Path]) -> Iterator[str]:
    """Undo moves, the last one first, and tell which cannot be: what they need stays aside, the only copy."""
    for source, target in reversed(undo):
        try:
            os.replace(source, target)
        except OSError as error:
            asides.discard(source)
            yield f"{source} could not be moved back to {target} ({error.strerror}); move it yourself."


def _prepared(path: Path, text: str | None, asides: set[Path]) -> tuple[_Move, _Move]:
    """What writes or removes a file, and what undoes that; all that they need is written aside."""
    if text is None:
        away = _aside(path, b"", asides)
        return (path, away), (away, path)
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    target.parent.mkdir(parents=True, exist_ok=True)
    new = _aside(target, text.encode(), asides)
    if not target.exists():
        return (new, target), (target, new)
    return (new, target), (_aside(target, target.read_bytes(), asides), target)


def _aside(path: Path, content: bytes, asides: set[Path]) -> Path:
    """Write a file beside another one, for the time being: hidden, so that nobody takes it for a policy file."""
    with NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
        aside = Path(file.name)
        asides.add(aside)
        file.write(content)
    aside.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask())
    return aside


def _umask() -> int:
    """The permissions that new files do not get."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def statements(path: Path) -> Iterator[Statement]:
    """Split a file into its policies by source text, comments kept.

    Raises:
        PolicyError: the file cannot be read.
    """
    text = read(path)
    start, line = 0, 1
    for piece in _PIECE.finditer(text):
        if piece[0] == ";":
            yield _statement(path, text, start, piece.end(), line)
            line += text.count("\n", start, piece.end())
            start = piece.end()
    if _without_comments(text[start:]).strip():
        yield _statement(path, text, start, len(text), line)


def comments(text: str) -> list[str]:
    """The comments of policies, in the order of their texts."""
    return sorted(match[0].rstrip() for match in _COMMENT.finditer(text) if match[1] is None)


def nesting(text: str, opening: str = "([{", closing: str = ")]}") -> float:
    """How deep a statement is nested, in levels of brackets; strings and comments have none."""
    deepest = depth = 0.0
    outer: list[float] = []
    for match in _NESTING.finditer(text):
        piece = match[0]
        if piece == ",":
            # What follows is beside it. Before the first bracket nothing is nested.
            depth = outer[-1] + 1 if outer else 0
        depth += _WEIGHTS.get(piece, 0)
        if piece in opening:
            outer.append(depth)
            depth += 1
        elif piece in closing and outer:
            depth = outer.pop()
        deepest = max(deepest, depth)
    return deepest


def explain(statement: Statement, error: ValueError, parse: Callable[[str], object]) -> PolicyError:
    """The error of a text that ``parse`` refuses, with file, line, cause and cure."""
    message = str(error)
    cure = next((f" {cure}" for part, cure in _CURES if part in message), "")
    return statement.error(f"{message}.{cure}", _position(_without_comments(statement.text), message, parse))


def _statement(path: Path, text: str, start: int, end: int, line: int) -> Statement:
    line += text.count("\n", start, start + _beginning(text[start:end]))
    begin = start + len(text[start:end]) - len(text[start:end].lstrip())
    return Statement(path, line, text[start:end].strip(), begin - text.rfind("\n", 0, begin))


def _beginning(text: str) -> int:
    """Where a statement begins after the comments before it."""
    code = _without_comments(text)
    return len(code) - len(code.lstrip())


def _without_comments(text: str) -> str:
    """Blank comments out, so that positions stay."""
    return _COMMENT.sub(lambda match: match[1] or " " * len(match[0]), text)


def _position(code: str, message: str, parse: Callable[[str], object]) -> int | None:
    """Where the cause of an error is, if that can be told: cedarpy names no place."""
    if "unexpected end" in message:
        return len(code.rstrip())
    if _is_syntax_error(message):
        # The text is right, if unfinished, up to the token that is not expected.
        tokens = list(_TOKEN.finditer(code))
        return tokens[bisect_left(tokens, True, key=lambda token: _breaks(code[: token.end()], parse))].start()
    places = [_only_place(code, quoted[quoted.lastindex or 0]) for quoted in _QUOTED.finditer(message)]
    return next((place for place in places if place is not None), None)


def _is_syntax_error(message: str) -> bool:
    return "unexpected token" in message or "invalid token" in message


def _breaks(text: str, parse: Callable[[str], object]) -> bool:
    try:
        parse(text)
    except ValueError as error:
        return _is_syntax_error(str(error))
    return False


def _only_place(code: str, token: str) -> int | None:
    places = [match.start() for match in re.finditer(rf"(?<!\w){re.escape(token)}(?!\w)", code)]
    return places[0] if len(places) == 1 else None
