"""``manage.py avp_explain``: why somebody may, or may not, do something."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.db import router, transaction

from django_avp.asker import Asker
from django_avp.authorization import Authorization, asker_of
from django_avp.cedar import Decision, EntityUid, Verdict
from django_avp.conf import conf
from django_avp.exceptions import AvpError
from django_avp.explanation import Line, Role, actions_on, lines, who_may
from django_avp.explanation.asking import identity_of, identity_of_tokens, resource_of
from django_avp.identity import Identity
from django_avp.runtime import runtime

__all__ = ["Command"]

ALLOWED, DENIED, WRONG_USE, UNDECIDED = range(4)
"""Exit codes."""

# Options that say who USER is, besides --token-file.
_PERSON = ("group", "claims", "claims_file", "access_claims")


class Command(BaseCommand):
    """Explains decisions to who operates the site."""

    help = (
        "Explain a decision: avp_explain USER ACTION [RESOURCE]. With --what, which actions USER may do: "
        "avp_explain --what USER [RESOURCE]. With --who, whom the policies let do an action: avp_explain --who ACTION "
        "[RESOURCE]. Options stand before or after these words, not between them. The answer has data and claims in "
        "it; nothing is written to the database. Exit code: 0 allowed, 1 denied, 2 wrong use, 3 undecided; 0 for --who "
        "and --what."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The question, who asks it, and how the answer is told."""
        parser.add_argument(
            "words",
            nargs="*",
            metavar="USER ACTION [RESOURCE]",
            help='USER is a sub, a principal id (pool|sub) or an entity id (User::"…"), left out with --token-file; '
            'RESOURCE is an instance (photos.Photo:12) or an entity id (Photo::"12"), by default the application',
        )
        modes = parser.add_mutually_exclusive_group()
        modes.add_argument("--who", action="store_true", help="tell whom the policies let do ACTION on RESOURCE")
        modes.add_argument("--what", action="store_true", help="tell which actions USER may do on RESOURCE")
        parser.add_argument("--context", metavar="JSON", help="Cedar context of the question")
        parser.add_argument("--store", help="policy store (default: AVP_POLICY_STORE_ID)")
        parser.add_argument("--format", choices=["text", "json"], default="text", help="text (default) or json")
        parser.add_argument("--quiet", action="store_true", help="print no explanation: the exit code is the answer")
        who = parser.add_argument_group("who asks")
        who.add_argument("--group", action="append", default=[], help="a group of USER; may be given several times")
        claims = who.add_mutually_exclusive_group()
        claims.add_argument("--claims", metavar="JSON", help="claims of USER's ID token")
        claims.add_argument("--claims-file", metavar="FILE", help="the same from a file; - for standard input")
        who.add_argument("--access-claims", metavar="JSON", help="claims of USER's access token")
        who.add_argument("--token-file", metavar="FILE", help="verify the token, or both, in a file; - as above")

    def handle(self, *args: Any, **options: Any) -> None:
        """Answer the question."""
        _refuse_useless(options)
        answer = self._who if options["who"] else self._what if options["what"] else self._explain
        try:
            self._read_policies(options["store"])
            with _unwritten():
                code = answer(list(options["words"]), options)
        except (AvpError, ImproperlyConfigured, TypeError, ValueError) as error:
            raise _wrong(str(error)) from error
        except Exception as error:
            # Whatever it was, a database or code of the project's: Python would end with 1, which would be a denial.
            message = f"Nothing could be decided ({type(error).__name__}); --traceback tells where it went wrong."
            raise CommandError(message, returncode=UNDECIDED) from error
        if code:
            raise SystemExit(code)

    # Answers

    def _explain(self, words: list[str], options: dict[str, Any]) -> int:
        identity = _identity(words, options)
        action, resource = _question(words, "[USER] ACTION [RESOURCE]")
        authorization = Authorization(identity, store=options["store"])
        explanation = authorization.explain(action, resource_of(resource), _json(options, "context"))
        if not options["quiet"]:
            self._write(options, explanation.as_json, lines(explanation))
        undecided = explanation.decision.verdict is Verdict.UNDECIDED
        return ALLOWED if explanation.decision else UNDECIDED if undecided else DENIED

    def _what(self, words: list[str], options: dict[str, Any]) -> int:
        identity = _identity(words, options)
        # There is no action among the words.
        _, name = _question(["", *words], "--what [USER] [RESOURCE]")
        resource, context = resource_of(name), _json(options, "context")
        authorization = Authorization(identity, store=options["store"])
        of_type = (resource or conf.application).type
        actions = actions_on(identity.principal.type, of_type, asker_of(authorization).store())
        # All at once, in one round.
        authorization.collect(actions, resource, context)
        decisions = {action: authorization.can(action, resource, context) for action in actions}
        self._write(options, lambda: _as_json(decisions), _table(decisions))
        return ALLOWED

    def _who(self, words: list[str], options: dict[str, Any]) -> int:
        action, resource = _question(words, "--who ACTION [RESOURCE]")
        store = Asker(None, store=options["store"]).store()
        who = who_may(action, resource_of(resource), _json(options, "context"), store)
        self._write(options, who.as_json, who.lines())
        return ALLOWED

    def _write(self, options: Mapping[str, Any], as_json: Callable[[], object], text: Iterable[Line]) -> None:
        if options["format"] == "json":
            self.stdout.write(json.dumps(as_json(), indent=2, ensure_ascii=False))
            return
        styles: Mapping[Role, Callable[[str], str]] = {
            Role.ALLOWED: self.style.SUCCESS,
            Role.DENIED: self.style.ERROR,
            Role.HEADING: self.style.MIGRATE_HEADING,
            Role.NOTE: self.style.WARNING,
        }
        for line in text:
            self.stdout.write(styles.get(line.role, str)(line.text))

    def _read_policies(self, store: str | None) -> None:
        """Have a synced store read before it is asked: this process is too young for the background to have done it."""
        engine: Any = runtime.lists_engine
        find = getattr(engine, "store", None)
        if find is None:
            return
        try:
            find(Asker(None, store=store).store()).read()
        except (AvpError, ImproperlyConfigured):
            raise
        except Exception as error:
            # Of an extra that this command does not need: botocore's.
            self.stderr.write(f"The policy store could not be read ({type(error).__name__}): look at the log.")


def _refuse_useless(options: Mapping[str, Any]) -> None:
    """Refuse options that would say nothing, or say it twice."""
    given = [f"--{name.replace('_', '-')}" for name in _PERSON if options[name]]
    if options["quiet"] and (options["who"] or options["what"]):
        raise _wrong("--quiet is for one decision: what --who and --what find has no exit code.")
    if options["who"] and (given or options["token_file"]):
        raise _wrong(f"--who asks for nobody: leave out {', '.join(given) or '--token-file'}.")
    if options["token_file"] and given:
        raise _wrong(f"--token-file tells groups and claims: leave out {', '.join(given)}.")


def _wrong(message: str) -> CommandError:
    return CommandError(message, returncode=WRONG_USE)


@contextmanager
def _unwritten() -> Iterator[None]:
    """Leave no user behind who was made because somebody asked about one."""
    if conf.user_mode == "token":
        yield
        return
    database = router.db_for_write(get_user_model())
    with transaction.atomic(database):
        yield
        transaction.set_rollback(True, database)


def _identity(words: list[str], options: Mapping[str, Any]) -> Identity:
    """Who asks; the first of the words, unless a token tells."""
    if options["token_file"]:
        return identity_of_tokens(_read(options["token_file"]))
    # A variable of the shell that is not set is nobody.
    if not words or not words[0]:
        raise ValueError("Say who asks: a sub, a principal id, an entity id, or --token-file.")
    file = options["claims_file"]
    claims = _object(_read(file), "--claims-file") if file else _json(options, "claims")
    return identity_of(words.pop(0), options["group"], claims, _json(options, "access_claims"))


def _question(words: list[str], usage: str) -> tuple[str, str | None]:
    """The action, and the resource if it is named."""
    if len(words) not in (1, 2):
        raise ValueError(f"The words are: {usage}.")
    return words[0], words[1] if len(words) == 2 else None


def _json(options: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    text = options[name]
    return None if text is None else _object(text, f"--{name.replace('_', '-')}")


def _object(text: str, option: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        value = None
    if not isinstance(value, dict):
        # Without the text, which may have claims in it.
        raise ValueError(f'{option} takes a JSON object, such as {{"email": "ann@example.com"}}.')
    return value


def _read(name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{name} cannot be read ({type(error).__name__}).") from error


def _as_json(decisions: Mapping[EntityUid, Decision]) -> list[dict[str, Any]]:
    return [
        {
            "action": str(action),
            "allowed": decision.is_allowed,
            "verdict": decision.verdict.value,
            "determining_policies": list(decision.determining_policies),
        }
        for action, decision in decisions.items()
    ]


def _table(decisions: Mapping[EntityUid, Decision]) -> Iterator[Line]:
    width = max((len(str(action)) for action in decisions), default=0)
    if not decisions:
        yield Line("No action applies to such a principal and resource.", Role.NOTE)
    for action, decision in decisions.items():
        policies = ", ".join(decision.determining_policies)
        text = f"{str(action):{width}}  {decision.verdict.value.replace('_', ' '):13}  {policies}".rstrip()
        yield Line(text, Role.ALLOWED if decision else Role.DENIED)
