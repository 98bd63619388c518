"""Policy coverage of a run of pytest: collects it in every process, reports it, and fails below a limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from django_avp.cedar import Check, Decision
from django_avp.conf import conf
from django_avp.exceptions import PolicyError
from django_avp.policies import load
from django_avp.signals import decisions_made
from django_avp.testing.policy_coverage import PolicyCoverage, Summary
from django_avp.testing.policy_table import policies_tested

__all__ = ["CoverageHooks", "WorkerHooks"]

_OUTPUT = "avp_policy_coverage"


class CoverageHooks:
    """A plugin of pytest.

    Args:
        reports: ``"term"`` for the terminal, ``"json:<path>"`` for a file.
        fail_under: percent of the policies that have to determine a decision.

    Attributes:
        coverage: the counts.
    """

    def __init__(self, reports: Sequence[str], fail_under: float | None) -> None:
        self._reports = reports
        self._fail_under = fail_under
        self.coverage = PolicyCoverage()
        self._summary: Summary | None = None
        self._problem = ""

    def start(self) -> None:
        """Begin to count."""
        decisions_made.connect(self._add_round)
        policies_tested.connect(self._add_case)

    def pytest_unconfigure(self) -> None:
        """Count no more."""
        decisions_made.disconnect(self._add_round)
        policies_tested.disconnect(self._add_case)

    def pytest_sessionfinish(self, session: Any) -> None:
        """Hand over what a worker has counted, or sum up and fail the run if it is too little."""
        output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[_OUTPUT] = self.coverage.as_json()
            return
        try:
            self._summary = self.coverage.summary(load(conf.policies))
        except (ImproperlyConfigured, PolicyError) as error:
            self._problem = f"The policies cannot be read: {error}"
        else:
            self._problem = self._shortfall(self._summary)
            for path in self._files():
                path.write_text(self._summary.as_json())
        if self._problem and session.exitstatus == 0:
            session.exitstatus = 1

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the report."""
        terminalreporter.section("policy coverage")
        if self._summary is not None and "term" in self._reports:
            for line in self._summary.lines():
                terminalreporter.write_line(line)
        for path in self._files():
            terminalreporter.write_line(f"Written to {path}")
        if self._problem:
            terminalreporter.write_line(self._problem, red=True)

    def _shortfall(self, summary: Summary) -> str:
        if self._fail_under is None or summary.percent >= self._fail_under:
            return ""
        missing = ", ".join(f"{row.policy} ({row.place})" for row in summary.rows if not row.is_covered)
        return f"Policy coverage is below {self._fail_under:g}%: no test has a decision determined by {missing}."

    def _files(self) -> list[Path]:
        return [Path(report.partition(":")[2]) for report in self._reports if report.startswith("json:")]

    def _add_round(self, decisions: Mapping[Check, Decision], **others: Any) -> None:
        self.coverage.add(decisions.values())

    def _add_case(self, decision: Decision, **others: Any) -> None:
        self.coverage.add([decision])


class WorkerHooks:
    """A plugin of pytest for a run with pytest-xdist, which is who calls it.

    Args:
        coverage: takes what the workers have counted.
    """

    def __init__(self, coverage: PolicyCoverage) -> None:
        self._coverage = coverage

    def pytest_testnodedown(self, node: Any) -> None:
        """Take what a worker has counted; one that broke down hands over nothing."""
        self._coverage.merge(getattr(node, "workeroutput", {}).get(_OUTPUT, {}))
