"""What lives as long as the process: engine, token verifier and token sources, built on first use and replaceable."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from django_avp.conf import conf
from django_avp.engines.caching import CachingEngine
from django_avp.engines.shared_cache import SharedCache
from django_avp.filtering import Kept
from django_avp.tokens.sources import TokenSource, build_sources
from django_avp.tokens.verifier import TokenVerifier

if TYPE_CHECKING:
    from django_avp.engines.base import Engine

__all__ = ["Runtime", "runtime"]


class Runtime:
    """Holds what a process has one of. A forked child builds its own: no connection is shared.

    Attributes:
        kept: conditions of lists, by the policies that they were compiled from.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget what was built."""
        self._lock = Lock()
        self._engine: Engine | None = None
        self._built: tuple[str, str | None] | None = None
        self._replaced: Engine | None = None
        self._lists_engines: dict[str, Engine] = {}
        self.kept = Kept()
        self._verifier: TokenVerifier | None = None
        self._sources: tuple[object, tuple[TokenSource, ...]] | None = None

    @property
    def engine(self) -> Engine:
        """The engine that ``AVP_ENGINE`` names.

        Raises:
            ImproperlyConfigured: it cannot be imported.
        """
        if self._replaced is not None:
            return self._replaced
        cache = conf.cache
        wanted = (conf.engine, cache if cache and (conf.cache_ttl or conf.cache_denied_ttl) else None)
        with self._lock:
            if self._engine is None or self._built != wanted:
                self._engine, self._built = _build_engine(*wanted), wanted
            return self._engine

    @property
    def lists_engine(self) -> Engine:
        """The engine that knows the policies that lists are filtered by: the site's own, or the one that it names.

        Raises:
            ImproperlyConfigured: it cannot be imported.
        """
        engine = self.engine
        path = getattr(engine, "lists_engine", "")
        if not path:
            return engine
        with self._lock:
            if path not in self._lists_engines:
                self._lists_engines[path] = import_string(path)()
            return self._lists_engines[path]

    @property
    def verifier(self) -> TokenVerifier:
        """The token verifier with its key sets."""
        verifier = self._verifier
        if verifier is None:
            with self._lock:
                verifier = self._verifier = self._verifier or TokenVerifier()
        return verifier

    @property
    def token_sources(self) -> tuple[TokenSource, ...]:
        """The sources that ``AVP_TOKEN_SOURCES`` names, built again when it changes.

        Raises:
            ImproperlyConfigured: one cannot be imported, or does not take its options.
        """
        entries = conf.token_sources
        if self._sources is None or self._sources[0] != entries:
            self._sources = (entries, build_sources(entries))
        return self._sources[1]

    @contextmanager
    def use_engine(self, engine: Engine) -> Iterator[Engine]:
        """Decide with another engine for a block, in all threads; for tests."""
        before, self._replaced = self._replaced, engine
        try:
            yield engine
        finally:
            self._replaced = before


def _build_engine(path: str, cache: str | None) -> Engine:
    try:
        engine: Engine = import_string(path)()
    except ImportError as error:
        raise ImproperlyConfigured(
            f"AVP_ENGINE: {path!r} cannot be imported ({error}). Name an engine class, such as "
            "'django_avp.engines.cedar.CedarEngine'; some need an extra, as in pip install django-avp[aws]."
        ) from error
    return CachingEngine(engine, SharedCache(cache)) if cache else engine


runtime = Runtime()
os.register_at_fork(after_in_child=runtime.reset)
