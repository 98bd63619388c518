"""The pytest plugin: fixtures, tables of policy tests in YAML, and policy coverage.

INVARIANT: nothing of Django or Cedar is imported before it is used, because pytest loads this in every project.
"""

from __future__ import annotations

import argparse
import re
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from django_avp import testing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from django.test import AsyncClient, Client

    from django_avp.identity import Identity
    from django_avp.testing.counting import Counted
    from django_avp.testing.endpoint import Endpoint
    from django_avp.testing.kit import Kit
    from django_avp.testing.tokens import TokenMint

_POLICY_FILE = re.compile(r"test_.*\.avp\.ya?ml")


# Policy tests and their coverage


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of policy coverage."""
    group = parser.getgroup("avp", "django-avp")
    group.addoption(
        "--avp-cov", action="store_true", help="report which policies determined an allow, a deny, or no decision"
    )
    group.addoption(
        "--avp-cov-fail-under",
        type=float,
        metavar="PERCENT",
        help="fail if fewer of the policies determined a decision",
    )
    group.addoption(
        "--avp-cov-report",
        action="append",
        type=_report,
        metavar="REPORT",
        help="term for the terminal (default), json:PATH for a file; may be given several times",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Begin to count what policies determine, if that is asked for."""
    reports, fail_under = config.getoption("--avp-cov-report"), config.getoption("--avp-cov-fail-under")
    if config.getoption("--avp-cov") or reports or fail_under is not None:
        module = _module("coverage_hooks")
        hooks = module.CoverageHooks(reports or ["term"], fail_under)
        hooks.start()
        config.pluginmanager.register(hooks, "avp_coverage")
        if config.pluginmanager.hasplugin("xdist"):
            config.pluginmanager.register(module.WorkerHooks(hooks.coverage), "avp_coverage_of_workers")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect tables of policy tests, ``test_*.avp.yaml``."""
    if not _POLICY_FILE.fullmatch(file_path.name):
        return None
    try:
        problem, file_class = _module("readiness").problem(), _module("policy_tests").PolicyFile
    except ModuleNotFoundError as error:
        raise pytest.Collector.CollectError(f"{error}: pip install 'django-avp[testing]'.") from error
    if problem:
        raise pytest.Collector.CollectError(problem)
    return file_class.from_parent(parent, path=file_path)  # type: ignore[no-any-return]


# Fixtures


@pytest.fixture(scope="session")
def avp_mint(_avp_ready: None) -> TokenMint:
    """Signs tokens as the site's first user pool, for its first client."""
    return testing.Kit().mint


@pytest.fixture
def avp_kit(avp_mint: TokenMint, _avp_settings: Any) -> Iterator[Kit]:
    """Makes tokens, clients and identities; the site trusts them until the test is over."""
    kit = testing.Kit(avp_mint)
    runtime = import_module("django_avp.runtime").runtime
    for name, value in kit.settings.items():
        setattr(_avp_settings, name, value)
    runtime.reset()
    yield kit
    runtime.reset()


@pytest.fixture
def avp_token(avp_kit: Kit) -> Callable[..., str]:
    """Signs a token: ``avp_token(sub="ann", groups=["editors"], use="access", **claims)``."""
    return avp_kit.token


@pytest.fixture
def avp_identity(avp_kit: Kit) -> Callable[..., Identity]:
    """Makes the identity of a token; the arguments are those of ``avp_token``."""
    return avp_kit.identity


@pytest.fixture
def avp_client(avp_kit: Kit) -> Callable[..., Client]:
    """Makes a client that sends a token; the arguments are those of ``avp_token``, and ``client_class``."""
    return avp_kit.client


@pytest.fixture
def avp_async_client(avp_kit: Kit) -> Callable[..., AsyncClient]:
    """Makes a client for async views that sends a token; the arguments are those of ``avp_token``."""
    return avp_kit.async_client


@pytest.fixture
def avp_server(avp_kit: Kit, _avp_settings: Any) -> Iterator[Endpoint]:
    """A local endpoint that holds the site's policies, and decides in place of the site's engine."""
    runtime = import_module("django_avp.runtime").runtime
    with avp_kit.serving() as (endpoint, values):
        for name, value in values.items():
            setattr(_avp_settings, name, value)
        runtime.reset()
        yield endpoint


@pytest.fixture
def avp_allow(_avp_ready: None) -> Callable[..., AbstractContextManager[None]]:
    """Allows an action for a block: ``with avp_allow("EditPhoto", photo): …``."""
    return testing.avp_allow


@pytest.fixture
def avp_deny(_avp_ready: None) -> Callable[..., AbstractContextManager[None]]:
    """Denies an action for a block: ``with avp_deny("EditPhoto", photo): …``."""
    return testing.avp_deny


@pytest.fixture
def assert_avp_rounds(_avp_ready: None) -> Callable[[int], AbstractContextManager[list[Counted]]]:
    """Asserts how many rounds a block makes: ``with assert_avp_rounds(1): …``."""
    return testing.assert_avp_rounds


@pytest.fixture
def assert_avp_calls(_avp_ready: None) -> Callable[[int], AbstractContextManager[list[Counted]]]:
    """Asserts how many calls of the engine a block makes: ``with assert_avp_calls(1): …``."""
    return testing.assert_avp_calls


@pytest.fixture(scope="session")
def _avp_ready(request: pytest.FixtureRequest) -> None:
    has_django = request.config.pluginmanager.hasplugin("django")
    problem = _module("readiness").problem() if has_django else _NO_PYTEST_DJANGO
    if problem:
        pytest.fail(problem, pytrace=False)


@pytest.fixture
def _avp_settings(_avp_ready: None, request: pytest.FixtureRequest) -> Any:
    # By this fixture alone, because settings that are changed in two ways are restored in the wrong order.
    return request.getfixturevalue("settings")


_NO_PYTEST_DJANGO = "The fixtures of django_avp.testing need pytest-django: pip install 'django-avp[testing]'."


def _report(text: str) -> str:
    if text != "term" and not re.fullmatch("json:.+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is neither term nor json:PATH")
    return text


def _module(name: str) -> Any:
    """A module of this package, loaded now."""
    return import_module(f"{testing.__name__}.{name}")
