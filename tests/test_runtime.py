"""Tests of ``django_avp.runtime``: one engine and one verifier for a process."""

from __future__ import annotations

import os
import threading
import time

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_avp.cedar import INVALID
from django_avp.engines.base import Decisions
from django_avp.engines.cedar import CedarEngine
from django_avp.exceptions import PolicyError
from django_avp.runtime import Runtime, runtime
from django_avp.tokens.verifier import TokenVerifier


class SlowEngine:
    """Counts how often it is built."""

    built: list[SlowEngine] = []  # noqa: RUF012

    def __init__(self):
        time.sleep(0.05)
        self.built.append(self)

    def decide(self, batch):
        return Decisions([INVALID] * len(batch.checks))

    async def adecide(self, batch):
        return self.decide(batch)


class Broken:
    """Cannot be built, because something that it needs is not installed."""

    def __init__(self):
        raise ImportError("No module named 'boto3'")


def test_engine_is_the_settings(settings):
    """The engine is the one that the setting names, built once, and another as soon as the setting changes."""
    first = runtime.engine
    assert isinstance(first, CedarEngine)
    assert runtime.engine is first

    settings.AVP_ENGINE = f"{__name__}.SlowEngine"
    assert isinstance(runtime.engine, SlowEngine)

    settings.AVP_ENGINE = "django_avp.engines.cedar.CedarEngine"
    assert isinstance(runtime.engine, CedarEngine)
    assert runtime.engine is not first


def test_engine_is_built_once(settings):
    """Threads that come at once get the same engine and the same verifier."""
    settings.AVP_ENGINE = f"{__name__}.SlowEngine"
    SlowEngine.built.clear()
    own = Runtime()
    found = []
    threads = [threading.Thread(target=lambda: found.append((own.engine, own.verifier))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(SlowEngine.built) == 1
    assert len(found) == 8
    assert len(set(found)) == 1


@pytest.mark.parametrize(
    ("path", "cause"),
    [
        ("nowhere.Engine", "No module named 'nowhere'"),
        ("django_avp.engines.cedar.Engines", 'does not define a "Engines"'),
        ("CedarEngine", "doesn't look like a module path"),
        (f"{__name__}.Broken", "No module named 'boto3'"),
    ],
)
def test_engines_that_cannot_be_imported(settings, path, cause):
    """An engine that is misspelt, or lacks an extra, is told with the setting, the cause and the cure."""
    settings.AVP_ENGINE = path

    with pytest.raises(ImproperlyConfigured, match="AVP_ENGINE: .* pip install django-avp") as caught:
        _ = runtime.engine
    assert path in str(caught.value)
    assert cause in str(caught.value)


def test_an_engine_that_failed_is_built_later(settings, tmp_path):
    """What kept an engine from being built is told each time, and forgotten when it is mended."""
    settings.AVP_POLICIES = tmp_path
    for _ in range(2):
        with pytest.raises(PolicyError, match="No policy found"):
            _ = runtime.engine

    (tmp_path / "a.cedar").write_text("permit (principal, action, resource);")

    assert isinstance(runtime.engine, CedarEngine)


def test_engine_can_be_replaced():
    """For a block another engine decides, in every thread; blocks nest, and an error ends one too."""
    before, seen = runtime.engine, []
    outer, inner = SlowEngine(), SlowEngine()
    with runtime.use_engine(outer) as given:
        assert runtime.engine is given is outer
        with runtime.use_engine(inner):
            thread = threading.Thread(target=lambda: seen.append(runtime.engine))
            thread.start()
            thread.join()
        assert runtime.engine is outer
        with pytest.raises(KeyError), runtime.use_engine(inner):
            raise KeyError
        assert runtime.engine is outer

    assert seen == [inner]
    assert runtime.engine is before


def test_verifier_is_built_once():
    """There is one verifier, with one cache of keys, until it is reset."""
    first = runtime.verifier
    assert isinstance(first, TokenVerifier)
    assert runtime.verifier is first

    runtime.reset()

    assert runtime.verifier is not first


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_builds_its_own():
    """After a fork nothing is shared, and a lock that another thread held does not hang the child."""
    engine = runtime.engine
    with runtime._lock:
        child = os.fork()
        if child == 0:  # pragma: no cover - runs in the child, which is not measured
            is_own = runtime.engine is not engine and isinstance(runtime.engine, CedarEngine)
            os._exit(0 if is_own else 1)
        _, status = os.waitpid(child, 0)

    assert status == 0
    assert runtime.engine is engine


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_remembers_no_token(mint):
    """What its parent has verified is not in the memory of a worker, which verifies it for itself."""
    token = mint.id_token()
    runtime.verifier.verify(token)
    child = os.fork()
    if child == 0:  # pragma: no cover - runs in the child, which is not measured
        is_empty = runtime.verifier._memory is None
        is_verified = runtime.verifier.verify(token).kind == "id" and len(runtime.verifier._memory or ()) == 1
        os._exit(0 if is_empty and is_verified else 1)
    _, status = os.waitpid(child, 0)

    assert status == 0
    assert len(runtime.verifier._memory or ()) == 1
