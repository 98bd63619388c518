"""What ``avp_pull`` and ``avp_push`` have in common on the command line."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from django.core.management.base import CommandError

from django_avp.conf import conf
from django_avp.deployment.explaining import explained
from django_avp.exceptions import AvpError, PolicyError

__all__ = ["add_options", "agreed", "answering", "directories_of", "store_of"]


def add_options(parser: ArgumentParser, *, prune: str) -> None:
    """The options of both.

    Args:
        parser: the command's.
        prune: what ``--prune`` does.
    """
    parser.add_argument("directory", nargs="?", help="of *.cedar files (default: AVP_POLICIES)")
    parser.add_argument("--store", help="id or alias of the policy store (default: AVP_POLICY_STORE_ID)")
    parser.add_argument("--dry-run", action="store_true", help="show what would be done, and do nothing")
    parser.add_argument("--check", action="store_true", help="as --dry-run, and fail if there is anything to do")
    parser.add_argument("--prune", action="store_true", help=prune)
    parser.add_argument(
        "--yes", "--no-input", "--noinput", action="store_true", dest="yes", help="do not ask before anything is done"
    )
    parser.add_argument("--format", choices=["text", "json"], default="text", help="text (default) or json")


def directories_of(options: dict[str, Any]) -> tuple[Path, ...]:
    """The directories of policies; the first one takes what is new.

    Raises:
        CommandError: there is none.
    """
    directories = (Path(options["directory"]),) if options["directory"] else conf.policies
    if not directories:
        raise CommandError("Name the directory of the policies, or set AVP_POLICIES.")
    return directories


def store_of(options: dict[str, Any]) -> str:
    """The policy store.

    Raises:
        CommandError: none is named.
    """
    store = options["store"] or conf.policy_store_id
    if not isinstance(store, str):
        raise CommandError(
            "Name the store with --store: AVP_POLICY_STORE_ID is " + ("a callable." if store else "missing.")
        )
    return store


@contextmanager
def answering(place: str, permissions: str) -> Iterator[None]:
    """Let what goes wrong in a block be told with its cause and cure.

    Args:
        place: the store.
        permissions: those that the calls need.

    Raises:
        CommandError: something goes wrong.
    """
    try:
        yield
    except AvpError as error:
        excerpt = f"\n{error.excerpt}" if isinstance(error, PolicyError) and error.excerpt else ""
        is_interrupted = isinstance(error.__cause__, KeyboardInterrupt)
        raise CommandError(f"{error}{excerpt}", returncode=130 if is_interrupted else 1) from error
    except (ClientError, BotoCoreError) as error:
        raise CommandError(f"{place}: {explained(error, permissions)}") from error


def agreed(question: str, options: dict[str, Any]) -> None:
    """Ask, unless ``--yes`` was given, and go on only after a yes.

    Raises:
        CommandError: it was no, or nobody is there to answer.
    """
    if options["yes"]:
        return
    if options["format"] == "json":
        raise CommandError("With --format json nobody is asked: pass --yes, --dry-run or --check.")
    try:
        answer = input(f"{question} [y/N] ")
    except (EOFError, KeyboardInterrupt) as error:
        raise CommandError("Nobody answers, so nothing was done. Pass --yes to do it without a question.") from error
    if answer.strip().lower() not in ("y", "yes"):
        raise CommandError("Nothing was done.")
