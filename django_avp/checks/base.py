"""How a system check of this package is written: a generator of problems."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured

from django_avp.conf import conf
from django_avp.exceptions import PolicyError
from django_avp.policies import Policies, load

__all__ = ["Problems", "local_policies", "problem_check", "run"]

Problems = Iterator[CheckMessage]


_CHECKS: dict[str, list[Callable[..., list[CheckMessage]]]] = {}


def problem_check(tag: str) -> Callable[[Callable[[], Problems]], Callable[..., list[CheckMessage]]]:
    """Make a check of a generator of problems; a setting that cannot be read is reported by its own check."""

    def decorate(problems: Callable[[], Problems]) -> Callable[..., list[CheckMessage]]:
        def check(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
            try:
                return list(problems())
            except ImproperlyConfigured as error:
                return [Error(str(error), id="django_avp.E001")]

        # Not wraps(): Django would look at the signature of what is wrapped.
        check.__name__ = check.__qualname__ = problems.__name__
        check.__doc__ = problems.__doc__
        _CHECKS.setdefault(tag, []).append(check)
        return check

    return decorate


def run(tag: str) -> list[CheckMessage]:
    """What all checks of a tag have found."""
    return [message for check in _CHECKS[tag] for message in check()]


def local_policies() -> Policies | None:
    """The policies of ``AVP_POLICIES``, if there are any and they can be read."""
    try:
        return load(conf.policies) if conf.policies else None
    except PolicyError:
        return None
