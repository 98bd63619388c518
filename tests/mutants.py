"""Changes django_avp in small ways, one at a time, and tells which changes no test has noticed.

``python -m tests.mutants`` tries all groups of :data:`GROUPS`, ``python -m tests.mutants sealing`` one of them. Mutmut
says what to change. Each change is made in a process that is forked for it once the tests are loaded and have passed,
by giving a function other code; so tests see nothing of it but what the function does. The tests that came through that
function are run, the quickest first, until one fails.

What is left is for somebody to read: most changes that no test notices change nothing that anybody would. Constants of
modules and classes and defaults of arguments stay as they are written, and so does all in processes that tests start.
With ``FEW=1`` texts, errors and log lines stay as well, ``SAMPLE=2`` takes two parameters of each test, and ``BUDGET``
is how many seconds of the processor the tests of one change may take: who is in a hurry begins so, and lets ``AGAIN=1``
try what was left with all parameters. ``AT_ONCE=8`` tries eight changes at a time, where tests mostly wait.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from difflib import unified_diff
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import libcst as cst
import pytest
from asgiref.sync import SyncToAsync
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.file_mutation import MutationVisitor, deep_replace
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import IgnoredCode

from tests.processes import ROOT

IS_FEW = "FEW" in os.environ
# Whether only what the last run has left is tried.
IS_AGAIN = "AGAIN" in os.environ
SAMPLE = int(os.environ.get("SAMPLE", "0"))
# As measured without the change; no more tests are run.
BUDGET = float(os.environ.get("BUDGET", "30"))
# How many changes are tried at the same time: tests that wait leave the processor to others.
AT_ONCE = int(os.environ.get("AT_ONCE", "1"))
# Seconds of the processor, and of the clock, after which a process is given up: a change can make a loop endless.
PATIENCE = 10 + 10 * int(BUDGET), 600
RESULTS = ROOT / "build" / "mutants"


@dataclass(frozen=True)
class Group:
    """Modules, below ``django_avp``, and the tests that are about them, below ``tests``."""

    modules: str
    tests: str


GROUPS = {
    "judging": Group(
        "tokens/judging.py tokens/verifier.py tokens/memory.py tokens/rules.py tokens/compact.py tokens/pyjwt.py",
        "tokens/test_verifier.py tokens/test_rules.py tokens/test_memory.py tokens/test_pyjwt.py test_middleware.py",
    ),
    "sources": Group("tokens/sources.py tokens/alb.py tokens/alb_keys.py", "tokens/test_sources.py tokens/test_alb.py"),
    "keys": Group(
        "tokens/jwks.py tokens/keys.py tokens/flights.py tokens/documents.py",
        "tokens/test_keys.py tokens/test_jwks.py tokens/test_verifier.py",
    ),
    "identity": Group(
        "identity.py identification.py backends.py gates.py engines/base.py",
        "test_identity.py test_rules_b.py test_rules_c.py test_middleware.py test_backends.py test_gates.py"
        " test_users.py engines/test_base.py rest_framework/test_authentication.py rest_framework/test_permissions.py",
    ),
    "slicing": Group(
        "slicing.py needs.py", "test_slicing.py test_needs.py engines/test_cedar.py engines/test_likeness.py"
    ),
    "sealing": Group("engines/sealing.py", "engines/test_sealing.py"),
    "caching": Group(
        "engines/caching.py engines/keys.py engines/shared_cache.py",
        "engines/test_sealing.py engines/test_caching.py engines/test_tenants.py faults/test_engines.py",
    ),
    "verified_permissions": Group(
        "engines/verified_permissions/*.py",
        "engines/test_verified_permissions.py engines/test_tenants.py faults/test_engines.py",
    ),
    "workers": Group(
        "engines/workers.py engines/breaker.py",
        "engines/test_workers.py engines/test_breaker.py engines/test_verified_permissions.py faults/test_engines.py",
    ),
    "synced": Group("engines/synced/*.py", "engines/test_synced.py engines/test_tenants.py faults/test_engines.py"),
    "filtering": Group(
        "filtering/*.py lists.py",
        "filtering/test_rules_e.py filtering/test_dialects.py filtering/test_simplifying.py test_lists.py"
        " rest_framework/test_filters.py",
    ),
    "cedar": Group(
        "engines/cedar.py engines/likeness.py", "engines/test_cedar.py engines/test_likeness.py test_rules_a_engine.py"
    ),
    "authorization": Group(
        "authorization.py asker.py deciding.py questions.py",
        "test_authorization.py test_rules_a.py test_rules_a_engine.py test_rules_b.py test_rules_b_engine.py"
        " test_rules_c.py test_rules_d.py test_lists.py test_flow.py test_gates.py test_users.py test_panels.py"
        " test_rounds.py test_telemetry.py test_middleware.py engines/test_tenants.py web/test_caching.py"
        " explanation/test_explaining.py explanation/test_who.py",
    ),
}


@dataclass(frozen=True)
class Mutant:
    """One change: where it is, and the function as it was and as it is then."""

    path: str
    line: int
    function: str
    before: str
    after: str

    @property
    def where(self) -> tuple[int, str, str]:
        """The line, the function and the lines that are others, as results have them."""
        return self.line, self.function, self.diff

    @property
    def diff(self) -> str:
        """The lines that are others."""
        lines = unified_diff(self.before.splitlines(), self.after.splitlines(), n=0, lineterm="")
        return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


class _Changes(MutationVisitor):
    """All that mutmut would change in functions, those with decorators among them."""

    def _skip_node_and_children(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.FunctionDef):
            return False
        if IS_FEW and (isinstance(node, cst.Raise | cst.BaseString) or _is_told(node)):
            return True
        return isinstance(node, cst.Param) or super()._skip_node_and_children(node)


def _is_told(node: cst.CSTNode) -> bool:
    """Whether it is a line for a log or for whoever observes."""
    return isinstance(node, cst.Call) and cst.Module([]).code_for_node(node).startswith(("logger.", "observing."))


def mutants_of(path: str) -> Iterator[Mutant]:
    """The changes of a module."""
    wrapper = MetadataWrapper(cst.parse_module((ROOT / path).read_text()))
    visitor = _Changes(mutation_operators, IgnoredCode(set(), set(), set()))
    wrapper.visit(visitor)
    places = wrapper.resolve(PositionProvider)
    classes = {
        method: node
        for node in wrapper.module.body
        if isinstance(node, cst.ClassDef) and isinstance(node.body, cst.IndentedBlock)
        for method in node.body.body
    }
    before: dict[cst.FunctionDef, str] = {}
    for mutation in visitor.mutations:
        old, function = mutation.original_node, mutation.contained_by_top_level_function
        # What becomes None at once is noticed at once.
        if not isinstance(function, cst.FunctionDef) or (IS_FEW and isinstance(old, cst.Assign | cst.AnnAssign)):
            continue
        owner = classes.get(function)
        if function not in before:
            before[function] = _alone(function, owner)
        after = _alone(deep_replace(function, old, mutation.mutated_node), owner)
        line = places[old if old in places else function].start.line
        name = f"{owner.name.value}.{function.name.value}" if owner else function.name.value
        yield Mutant(path, line, name, before[function], after)


def _alone(function: Any, owner: cst.ClassDef | None) -> str:
    """The source of a function, within its class if it has one."""
    body = function if owner is None else owner.with_changes(body=cst.IndentedBlock([function]), decorators=[])
    return "from __future__ import annotations\n" + cst.Module([body.with_changes(leading_lines=[])]).code


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Code and all code within it."""
    yield code
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _codes(inner)


def _code_of(mutant: Mutant, source: str) -> CodeType:
    found = _codes(compile(source, str(ROOT / mutant.path), "exec"))
    return next(code for code in found if code.co_qualname == mutant.function)


def _functions(paths: Sequence[str]) -> dict[tuple[str, str], list[FunctionType]]:
    """All functions of modules, by path and name, wherever they are kept."""
    files = {str(ROOT / path): path for path in paths}
    found: dict[tuple[str, str], list[FunctionType]] = defaultdict(list)
    for one in gc.get_objects():
        # A lazy object that is asked for its class looks up a user.
        if type(one) is FunctionType and one.__code__.co_filename in files:
            found[files[one.__code__.co_filename], one.__code__.co_qualname].append(one)
    return found


def _file(path: str) -> Path:
    return RESULTS / (path.replace("/", ".") + ".jsonl")


def _results(path: str) -> list[list[Any]]:
    """What became of the changes of a module in the last run: outcome, line, function and diff of each."""
    return [json.loads(line) for line in _file(path).read_text().splitlines()] if _file(path).exists() else []


def _is_noticed(outcome: str) -> bool:
    return outcome not in {"unnoticed", "no test"} and not outcome.startswith("not made")


def _plain(item: pytest.Item) -> str:
    """The id of a test without its parameters."""
    return item.nodeid.partition("[")[0]


class _Trying:
    """Runs the collected tests once as they are, and then for each change those that it may concern."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = paths
        self.covering: dict[str, set[int]] = defaultdict(set)
        self.seconds: list[float] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if not SAMPLE:
            return
        together: dict[str, list[pytest.Item]] = defaultdict(list)
        for item in items:
            together[_plain(item)].append(item)
        items[:] = [item for alike in together.values() for item in alike[:: -(-len(alike) // SAMPLE)]]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._run_once(session)
        if session.testsfailed:
            return True
        self.functions = _functions(self.paths)
        # What is never looked at again is not copied for each process.
        gc.collect()
        gc.freeze()
        for path in self.paths:
            noticed = {tuple(where): outcome for outcome, *where in _results(path) if _is_noticed(outcome)}
            _file(path).parent.mkdir(parents=True, exist_ok=True)
            mutants = list(mutants_of(path))
            with _file(path).open("w") as lines, ThreadPoolExecutor(AT_ONCE) as pool:
                outcomes = pool.map(partial(self._tried, session, noticed), mutants)
                for mutant, outcome in zip(mutants, outcomes, strict=True):
                    lines.write(json.dumps([outcome, *mutant.where]) + "\n")
                    lines.flush()
        return True

    def _run_once(self, session: pytest.Session) -> None:
        files = {str(ROOT / path): path for path in self.paths}
        hits: set[CodeType] = set()

        def watch(frame: Any, event: str, _: Any) -> None:
            if event == "call" and frame.f_code.co_filename in files:
                hits.add(frame.f_code)

        threading.setprofile(watch)
        for number, item in enumerate(session.items):
            hits.clear()
            start = time.process_time()
            sys.setprofile(watch)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=session)
            sys.setprofile(None)
            self.seconds.append(time.process_time() - start)
            for code in list(hits):
                self.covering[f"{files[code.co_filename]}:{code.co_qualname.partition('.<locals>')[0]}"].add(number)
        threading.setprofile(None)

    def _tried(self, session: pytest.Session, noticed: dict[tuple[Any, ...], str], mutant: Mutant) -> str:
        is_known = IS_AGAIN and mutant.where in noticed
        return noticed[mutant.where] if is_known else self._try(session, mutant)

    def _try(self, session: pytest.Session, mutant: Mutant) -> str:
        """What became of a change: the first test that fails, or why there is none."""
        chosen: list[int] = []
        total = 0.0
        for number in self._order(session, self.covering[f"{mutant.path}:{mutant.function}"]):
            total += self.seconds[number]
            if total > BUDGET and chosen:
                break
            chosen.append(number)
        if not chosen:
            return "no test"
        read, write = os.pipe()
        if not (child := os.fork()):
            os.close(read)
            os.dup2(os.open(os.devnull, os.O_RDWR), 1)
            os.dup2(1, 2)
            # The thread of the parent's is not in this process.
            SyncToAsync.single_thread_executor = ThreadPoolExecutor(max_workers=1)
            resource.setrlimit(resource.RLIMIT_CPU, (PATIENCE[0], PATIENCE[0]))
            signal.alarm(PATIENCE[1])
            try:
                outcome = self._outcome(session, mutant, chosen)
            except BaseException as error:  # a hook of pytest's has raised what no test may
                outcome = f"raised: {type(error).__name__}"
            os.write(write, outcome.encode())
            os._exit(0)
        os.close(write)
        with os.fdopen(read) as told:
            outcome = told.read()
        os.waitpid(child, 0)
        # A process that was given up, or that a change has ended, is noticed, too.
        return outcome or "ended"

    def _order(self, session: pytest.Session, numbers: set[int]) -> list[int]:
        """Tests, the quickest first; those with other parameters come after one of each."""
        turns: dict[str, int] = Counter()
        order = []
        for number in sorted(numbers, key=self.seconds.__getitem__):
            name = _plain(session.items[number])
            order.append((turns[name], len(order), number))
            turns[name] += 1
        return [number for _, _, number in sorted(order)]

    def _outcome(self, session: pytest.Session, mutant: Mutant, chosen: Sequence[int]) -> str:
        try:
            plain, changed = _code_of(mutant, mutant.before), _code_of(mutant, mutant.after)
            named = self.functions[mutant.path, mutant.function]
            # A property has several functions of one name.
            alike = [one for one in named if len(named) == 1 or one.__code__.co_code == plain.co_code]
            for function in alike or [None]:
                function.__code__ = changed
        except (AttributeError, SyntaxError, ValueError) as error:
            return f"not made: {error}"
        for number in chosen:
            item = session.items[number]
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=session)
            if session.testsfailed:
                return item.nodeid
        return "unnoticed"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--mutate", default="", help="modules to change, with commas between")


def pytest_configure(config: pytest.Config) -> None:
    if paths := config.getoption("--mutate"):
        config.pluginmanager.register(_Trying(paths.split(",")))


def main(names: Sequence[str]) -> int:
    """Try the groups of these names, or all; print what was not noticed, and a table."""
    table: dict[str, Counter[str]] = {}
    for name in names or GROUPS:
        group = GROUPS[name]
        paths = [
            str(path.relative_to(ROOT)) for one in group.modules.split() for path in (ROOT / "django_avp").glob(one)
        ]
        tests = [f"tests/{path}" for path in group.tests.split()]
        plugins = ["-p", "tests.mutants", "-p", "no:randomly", "-p", "no:cacheprovider"]
        command = [sys.executable, "-m", "pytest", "-q", "--no-header", *plugins, f"--mutate={','.join(paths)}", *tests]
        subprocess.run(command, cwd=ROOT, check=True)  # noqa: S603
        for path in paths:
            table[path] = Counter()
            for outcome, number, function, diff in _results(path):
                kind = "noticed" if _is_noticed(outcome) else outcome.partition(":")[0]
                table[path][kind] += 1
                if kind in {"unnoticed", "no test"}:
                    print(f"\n{path}:{number} {function}: {kind}\n{diff}")
    print(f"\n{'':48}{'noticed':>10}{'unnoticed':>10}{'no test':>10}{'not made':>10}")
    for path, counts in table.items():
        print(f"{path:48}" + "".join(f"{counts[kind]:10}" for kind in ("noticed", "unnoticed", "no test", "not made")))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
