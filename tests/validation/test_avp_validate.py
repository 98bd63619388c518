"""``manage.py avp_validate``: how it tells what it finds, and what it fails for."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from django_avp.conf import conf

WRONG = """\
@id("a")
permit (
  principal,
  action == PhotoFlash::Action::"EditPhoto",
  resource
)
when { resource.titel == 1 };
"""
UNFORMATTED = '@id("b") permit(principal,action == PhotoFlash::Action::"EditPhoto",resource); // why\n'


@pytest.fixture
def policies(tmp_path, settings, monkeypatch):
    """A project with a policy that is wrong and one that is not formatted."""
    directory = tmp_path / "policies"
    directory.mkdir()
    shutil.copy(Path(conf.policies[0]) / "schema.cedarschema", directory)
    (directory / "a.cedar").write_text(WRONG)
    (directory / "b.cedar").write_text(UNFORMATTED)
    settings.AVP_POLICIES = directory
    monkeypatch.chdir(tmp_path)
    return directory


def run(capsys, *arguments):
    call_command("avp_validate", *arguments, no_color=True)
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_findings_are_told_as_compilers_do(policies, capsys):
    """Line by line, with the place as seen from here, so that editors and CI systems find it."""
    with pytest.raises(CommandError, match=r"^1 error, 1 warning\.$"):
        run(capsys)

    out = capsys.readouterr().out
    assert out.startswith("policies/a.cedar:7:17: error: attribute `titel` on entity type")
    assert "\n    when { resource.titel == 1 };\n                    ^\n" in out
    assert "policies/b.cedar: warning: the file is not formatted. [format]\n    hint: Run manage.py avp_validate" in out


def test_findings_annotate_a_pull_request(policies, capsys):
    """In the form that GitHub's runners read, where commas and colons of properties are escaped."""
    (policies / "a,b.cedar").write_text("permit;")
    with pytest.raises(CommandError):
        run(capsys, "--format", "github")

    lines = capsys.readouterr().out.splitlines()
    assert any(
        line.startswith("::error file=policies/a.cedar,line=7,col=17,title=invalid::attribute") for line in lines
    )
    assert any(line.startswith("::error file=policies/a%2Cb.cedar,line=1,") for line in lines)
    assert any(line.startswith("::warning file=policies/b.cedar,title=format::the file is not") for line in lines)


def test_findings_are_json(policies, capsys):
    """One object for each."""
    with pytest.raises(CommandError):
        run(capsys, "--format", "json")

    found = json.loads(capsys.readouterr().out)
    assert [(one["severity"], one["code"], one["place"], one["column"]) for one in found] == [
        ("error", "invalid", "policies/a.cedar:7", 17),
        ("warning", "format", "policies/b.cedar", 0),
    ]


def test_files_are_formatted(policies, capsys):
    """Comments stay, what is broken is left alone, and warnings fail where that is asked for."""
    (policies / "a.cedar").unlink()
    with pytest.raises(CommandError, match="0 errors, 1 warning"):
        run(capsys, "--fail-level", "warning")
    assert "0 errors, 1 warning." in run(capsys)[1]

    _, err = run(capsys, "--fix", "--fail-level", "warning")

    assert "b.cedar is formatted." in err
    assert "0 errors, 0 warnings." in err
    assert (policies / "b.cedar").read_text() == (
        '@id("b")\npermit (\n  principal,\n  action == PhotoFlash::Action::"EditPhoto",\n  resource\n); // why\n'
    )


@pytest.mark.parametrize("options", [[], ["--fix"]])
def test_a_policy_that_nests_too_deeply_is_told(policies, capsys, options):
    """Its file is not formatted: Cedar's formatter would end the process."""
    deep = f"permit (principal, action, resource) when {{ {'(' * 3_000}true{')' * 3_000} }};\n"
    (policies / "a.cedar").write_text(UNFORMATTED + deep)
    (policies / "b.cedar").unlink()

    with pytest.raises(CommandError, match=r"^1 error, 0 warnings\.$"):
        run(capsys, *options)

    assert capsys.readouterr().out.startswith("policies/a.cedar:2: error: nested too deeply")
    assert (policies / "a.cedar").read_text() == UNFORMATTED + deep


def test_other_directories_can_be_named(policies, tmp_path, capsys):
    """In the place of those of the settings."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "c.cedar").write_text('@id("c")\npermit (principal, action, resource);\n')

    out, err = run(capsys, str(other))

    assert "there is no schema" in out
    assert "0 errors, 1 warning." in err


def test_what_cannot_be_written_or_configured_is_told(policies, settings, capsys, monkeypatch):
    """A file system that refuses, and a setting that is wrong."""

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", refuse)
        with pytest.raises(CommandError, match=r"b\.cedar: cannot be written \(Permission denied\)"):
            run(capsys, "--fix")
    settings.AVP_POLICIES = 3
    with pytest.raises(CommandError, match="AVP_POLICIES"):
        run(capsys)


def test_the_examples_policies_have_no_findings():
    """In a process of its own, as its users run it."""
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "manage.py", "avp_validate", "--fail-level", "warning"],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "example_project.settings"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, ""), done.stderr
