"""Caches of Django that count, break and hang."""

from __future__ import annotations

import time
from threading import Event

from django.core.cache.backends.locmem import LocMemCache


class CountingCache(LocMemCache):
    """Counts what it is asked."""

    asked: list[str] = []

    def get_many(self, keys, version=None):
        """Counted."""
        self.asked.append("get_many")
        return super().get_many(keys, version)

    def set_many(self, data, timeout=None, version=None):
        """Counted."""
        self.asked.append("set_many")
        return super().set_many(data, timeout, version)


class BrokenCache(LocMemCache):
    """Answers nothing."""

    def get_many(self, keys, version=None):
        """Fails."""
        raise ConnectionError("No cache is here.")

    set_many = add = delete = get_many


class HungCache(LocMemCache):
    """Answers only when the test is over."""

    released = Event()

    def get_many(self, keys, version=None):
        """Waits."""
        self.released.wait(30)
        return {}

    def set_many(self, data, timeout=None, version=None):
        """Waits."""
        self.released.wait(30)
        return []


class WaitingCache(LocMemCache):
    """Says nothing to the first question until it may."""

    is_asked, may_answer = Event(), Event()
    was_answered: list[bool] = []

    def get_many(self, keys, version=None):
        """Waits, once."""
        if not self.is_asked.is_set():
            self.is_asked.set()
            self.was_answered.append(self.may_answer.wait(30))
        return super().get_many(keys, version)


class LateCache(LocMemCache):
    """Takes a second for what it is asked, as one does whose client has to be imported on a busy machine."""

    def get_many(self, keys, version=None):
        """Late."""
        time.sleep(1)
        return super().get_many(keys, version)


class InterleavingCache(LocMemCache):
    """Lets another worker do something just before this one takes a key."""

    before_add = []

    def add(self, key, value, timeout=None, version=None):
        """What the other does comes first, once."""
        while self.before_add:
            self.before_add.pop()()
        return super().add(key, value, timeout, version)
