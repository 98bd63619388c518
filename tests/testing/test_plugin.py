"""The pytest plugin, in runs of pytest of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
from django.apps import apps

from tests.engines.support import write
from tests.processes import ROOT

pytest_plugins = ["pytester"]

POLICIES = """
@id("anybody") permit (principal, action == PhotoFlash::Action::"View", resource);
@id("editors") permit (
  principal in PhotoFlash::Group::"eu-west-1_AbCdEf123|editors", action == PhotoFlash::Action::"Edit", resource
);
"""
TABLE = """
principals:
  ann: {}
  eve: {groups: [editors]}
entities:
  Photo::"1": {}
cases:
  - [ann, View, Photo::"1", allow]
"""
EDITING = """
  - [eve, Edit, Photo::"1", allow]
"""


@pytest.fixture
def policies(settings, tmp_path):
    """Two policies without a schema."""
    settings.AVP_POLICIES = write(tmp_path / "policies", POLICIES, schema=None)


@pytest.fixture
def run(pytester, policies):
    """Run pytest in this process, where Django is set up; pytest-django has no part in it."""

    def run(*arguments, plugins=()):
        options = ["-p", "no:django", "-p", "no:randomly", "-p", "no:schemathesis", *arguments]
        return pytester.runpytest_inprocess(*options, plugins=plugins)

    return run


def table(pytester, text):
    return (pytester.path / "test_photos.avp.yaml").write_text(text)


# Tables in YAML


def test_each_case_of_a_file_is_a_test(run, pytester):
    """It can be selected by its name; other YAML files are left alone."""
    table(pytester, TABLE + EDITING)
    (pytester.path / "photos.avp.yaml").write_text("not: ours")

    run("-v").stdout.fnmatch_lines(
        ["*::ann-View-Photo-1-allow PASSED*", "*::eve-Edit-Photo-1-allow PASSED*", "*2 passed*"]
    )
    run("test_photos.avp.yaml::eve-Edit-Photo-1-allow").assert_outcomes(passed=1)


def test_a_case_that_fails_tells_line_expectation_and_policies(run, pytester):
    """Without the way through this package."""
    table(pytester, TABLE + '  - [eve, Edit, Photo::"1", deny]\n  - [zoe, Edit, Photo::"1", deny]\n')

    result = run()

    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        [
            "*test_photos.avp.yaml:9: expected deny, decided permitted",
            "determined by editors (*policies.cedar:3)",
            '*@id("editors") permit (',
            "*test_photos.avp.yaml:10: 'zoe' is no principal here. Known are ann, eve.",
        ]
    )
    result.stdout.no_fnmatch_line("*policy_table.py*")


def test_a_mistake_of_this_package_is_shown_with_its_way(run, pytester):
    """An error that no test can have meant."""
    table(pytester, TABLE)
    pytester.makeconftest(
        """
        import pytest
        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_call(item):
            yield
            raise KeyError("unforeseen")
        """
    )

    run().stdout.fnmatch_lines(["*KeyError: 'unforeseen'*"])


def test_a_mistake_in_a_file_is_told_with_its_line(run, pytester):
    """When it is collected, once for all its cases."""
    table(pytester, TABLE.replace("ann: {}", "ann: {group: x}"))

    result = run()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*test_photos.avp.yaml:3: ann: 'group' means nothing here*"])


# Policy coverage


def test_coverage_tells_what_no_test_reaches_and_fails(run, pytester):
    """The exit status is that of a failed test, though all tests pass."""
    table(pytester, TABLE)

    result = run("--avp-cov", "--avp-cov-fail-under=100", "--avp-cov-report=term", "--avp-cov-report=json:cov.json")

    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "*policy coverage*",
            "Policy * Place * Allow *Deny *Error",
            "anybody *policies.cedar:2 * 1 * 0 * 0",
            "editors *policies.cedar:3 * 0 * 0 * 0  missing",
            "1 of 2 policies determined a decision: 50%",
            "Written to cov.json",
            "Policy coverage is below 100%: no test has a decision determined by editors (*policies.cedar:3).",
        ]
    )
    assert json.loads((pytester.path / "cov.json").read_text())["missing"] == ["editors"]


def test_coverage_that_suffices_passes(run, pytester):
    """A report in a file alone prints no table; a limit alone prints one."""
    table(pytester, TABLE + EDITING)

    whole = run("--avp-cov-fail-under=100")
    written = run("--avp-cov-report=json:cov.json")

    assert whole.ret == written.ret == pytest.ExitCode.OK
    whole.stdout.fnmatch_lines(["2 of 2 policies determined a decision: 100%"])
    written.stdout.no_fnmatch_line("*of 2 policies*")
    assert run().ret == pytest.ExitCode.OK
    run().stdout.no_fnmatch_line("*policy coverage*")


def test_rounds_of_the_site_are_counted(run, pytester):
    """Whatever asks: a view, a task, or as here a test."""
    pytester.makepyfile(
        """
        from django.test import override_settings
        from django_avp.authorization import Authorization
        from django_avp.cedar import EntityUid
        from django_avp.identity import Identity

        @override_settings(AVP_USER_MODE="token")
        def test_it():
            eve = Identity.from_claims({"sub": "eve", "cognito:groups": ["editors"]})
            assert Authorization(eve).can("Edit", EntityUid("File", "1"))
        """
    )

    run("--avp-cov").stdout.fnmatch_lines(["editors * 1 * 0 * 0"])


def test_a_run_that_failed_keeps_its_status(run, pytester):
    """It is not made better or worse by coverage."""
    table(pytester, "cases: 7")

    assert run("--avp-cov-fail-under=100").ret == pytest.ExitCode.INTERRUPTED


def test_policies_that_cannot_be_read_fail_the_run(run, pytester, settings):
    """A report about nothing would look whole."""
    pytester.makepyfile("def test_it(): pass")
    settings.AVP_POLICIES = pytester.path / "nowhere"

    result = run("--avp-cov")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["The policies cannot be read: AVP_POLICIES: * is not a directory*"])


def test_another_report_is_refused(run):
    """Before any test runs."""
    result = run("--avp-cov-report=html")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*'html' is neither term nor json:PATH*"])


class Worker:
    """Makes a run think that it is one of pytest-xdist's workers."""

    def __init__(self):
        self.output = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config):
        config.workeroutput = self.output


class Controller:
    """Has the hook of pytest-xdist, and calls it for each of its workers before the run ends."""

    def __init__(self, outputs):
        self.outputs = outputs

    def pytest_addhooks(self, pluginmanager):
        class Hooks:
            def pytest_testnodedown(self, node, error):
                """A worker ended."""

        pluginmanager.add_hookspecs(Hooks)
        pluginmanager.register(object(), "xdist")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session):
        for output in self.outputs:
            session.config.hook.pytest_testnodedown(node=SimpleNamespace(**output), error=None)


def test_workers_hand_over_what_they_have_counted(run, pytester):
    """The controller reports all of it; a worker that broke down has nothing to give."""
    table(pytester, TABLE + EDITING)
    worker = Worker()
    run("--avp-cov-fail-under=100", "-k", "eve", plugins=[worker])
    outputs = [{"workeroutput": worker.output}, {}]

    result = run("--avp-cov", "-k", "ann", plugins=[Controller(outputs)])

    result.stdout.fnmatch_lines(["anybody * 1 * 0 * 0", "editors * 1 * 0 * 0", "2 of 2 policies *"])


# Where it cannot be used


def test_a_fixture_without_pytest_django_says_what_is_missing(run, pytester):
    """And how to get it."""
    pytester.makepyfile("def test_it(avp_client): pass")

    result = run()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["The fixtures of django_avp.testing need pytest-django: pip install *"])


def test_a_module_that_is_not_installed_is_told(run, pytester, monkeypatch):
    """PyYAML comes with the extra."""
    table(pytester, TABLE)
    for name in ("yaml", "django_avp.testing.policy_yaml", "django_avp.testing.policy_tests"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "yaml", None)

    run().stdout.fnmatch_lines(["*yaml*: pip install 'django-avp?testing?'."])


def test_a_site_that_does_not_have_the_app_is_told(run, pytester, settings):
    """With the cure."""
    table(pytester, TABLE)
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "django_avp"]

    run().stdout.fnmatch_lines(['django_avp.testing tests a site * Add "django_avp" to INSTALLED_APPS.'])


def test_a_project_that_is_not_set_up_is_told(run, pytester, monkeypatch):
    """Settings that were never loaded, or a registry of apps that is not ready."""
    table(pytester, TABLE)
    monkeypatch.setattr(apps, "ready", False)

    run().stdout.fnmatch_lines(["django_avp.testing needs the settings of a Django project. Name them: *"])


def test_a_project_without_django_loads_nothing_of_it(pytester):
    """Neither Django nor Cedar is imported, and what needs settings says so."""
    pytester.makepyfile(
        """
        import sys

        def test_nothing_is_loaded():
            loaded = {name.partition(".")[0] for name in sys.modules}
            assert not loaded & {"boto3", "cedarpy", "cryptography", "django", "yaml"}
            assert {name for name in sys.modules if name.startswith("django_avp")} == {
                "django_avp", "django_avp.testing", "django_avp.testing.plugin"
            }

        def test_a_fixture(avp_allow):
            pass
        """
    )
    plain = ["-p", "no:randomly", "-p", "no:schemathesis", "-p", "no:hypothesispytest", "-p", "no:anyio"]
    command = [sys.executable, "-m", "pytest", *plain]
    environment = {"PATH": "", "PYTHONPATH": str(ROOT)}

    def printed(*arguments):
        process = subprocess.run(  # noqa: S603 - our own code
            [*command, *arguments], cwd=pytester.path, env=environment, capture_output=True, text=True, check=False
        )
        return process.stdout + process.stderr

    tests = printed()
    assert "1 passed, 1 error" in tests
    assert "django_avp.testing needs the settings of a Django project. Name them: DJANGO_SETTINGS_MODULE" in tests

    table(pytester, TABLE)
    assert "\ndjango_avp.testing needs the settings" in printed()
