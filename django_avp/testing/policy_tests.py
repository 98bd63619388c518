"""Tables of policy tests in YAML files, as tests of pytest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from django_avp.exceptions import AvpError, PolicyError
from django_avp.testing.policy_yaml import PolicyCase, read_cases

__all__ = ["PolicyFile", "PolicyItem"]


class PolicyFile(pytest.File):
    """A file of cases."""

    def collect(self) -> Iterator[pytest.Item]:
        """The cases, each as a test."""
        try:
            cases = read_cases(self.path)
        except PolicyError as error:
            raise self.CollectError(str(error)) from error
        for case in cases:
            yield PolicyItem.from_parent(self, name=case.name, case=case)


class PolicyItem(pytest.Item):
    """One case."""

    def __init__(self, *, case: PolicyCase, **others: Any) -> None:
        super().__init__(**others)
        self._case = case

    def runtest(self) -> None:
        """Decide the case."""
        self._case.check()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What was expected and what was decided, without the way through this package."""
        if isinstance(excinfo.value, AssertionError | ValueError | TypeError | AvpError):
            return f"{self.path}:{self._case.line}: {excinfo.value}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Any, int, str]:
        """File, line from 0, and name."""
        return self.path, self._case.line - 1, self.name
