"""What the file of a policy is called that a directory does not have yet."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

__all__ = ["file_for"]

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")
# A folder with a dot could be called as the file of another policy is, `a.cedar`.
_FOLDER = re.compile(r"[A-Za-z0-9_-]{1,100}")
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")


def file_for(item_id: str, directory: Path, taken: Iterable[Path]) -> Path:
    """The file of a policy that the directory does not have yet: ``<id>.cedar``, in folders where the id has ``/``.

    Args:
        item_id: its id; what a file cannot be called is told apart by a digest of it.
        directory: where it goes.
        taken: files that are there, or will be.
    """
    *folders, name = item_id.split("/")
    is_safe = _NAME.fullmatch(name) and all(map(_FOLDER.fullmatch, folders))
    path = directory.joinpath(*folders, f"{name}.cedar")
    # Some file systems take two names that differ in case for one.
    others = {str(other).casefold() for other in taken}
    if is_safe and str(path).casefold() not in others:
        return path
    digest = hashlib.sha256(item_id.encode()).hexdigest()[:8]
    return directory / f"{_UNSAFE.sub('-', item_id).strip('-')[:80]}-{digest}.cedar"
