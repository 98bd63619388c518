"""The page about operating a site: its logging is configured and read, its queries and tables fit what is written."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from django_avp.cedar import Verdict
from tests.following import blocks, section
from tests.log_events import log_events
from tests.processes import PATIENCE, ROOT
from tests.test_docs import rows

PAGE = ROOT / "docs" / "operating.md"
TELEMETRY = (ROOT / "django_avp" / "telemetry.py").read_text()

SITE = """
import json, os
os.environ["DJANGO_SETTINGS_MODULE"] = "site_settings"
import django
django.setup()
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django_avp.authorization import Authorization
from django_avp.identity import Identity
from tests.testapp.models import Photo
call_command("migrate", run_syncdb=True, verbosity=0)
sub = "a1b2c3d4-5678-90ab-cdef-111111111111"
owner = get_user_model().objects.create(username=f"eu-west-1_AbCdEf123|{sub}")
photo = Photo.objects.create(pk=7, title="never to be seen", owner=owner)
for groups in ([], ["suspended"]):
    claims = {"sub": sub, "cognito:groups": groups, "aud": "client-1", "email": "never@to.be.seen"}
    authorization = Authorization(Identity.from_claims(claims))
    authorization.can("EditPhoto", photo)
    authorization.can("EditPhoto", photo)
    assert bool(authorization.permitted("ViewPhoto", Photo.objects.all())) is not bool(groups)
authorization.can("EditPhotos", photo)
"""


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """What a site with the page's ``LOGGING`` writes: two questions, two lists, and one that is misspelt."""
    directory = tmp_path_factory.mktemp("site")
    (block,) = [block.text for block in blocks(PAGE, "python") if block.text.startswith("LOGGING")]
    (directory / "site_settings.py").write_text(f"from tests.settings import *\n\n{block}")
    process = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", SITE],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(directory), str(ROOT)]), "TEST_DATABASE": "sqlite"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (process.returncode, process.stderr) == (0, "")
    return process.stdout.splitlines()


def of(lines, event):
    return [json.loads(line) for line in lines if json.loads(line)["event"] == event]


def test_the_line_of_the_page_is_what_is_written(lines):
    """In its order and spelling; only the time is another one."""
    (shown,) = [block.text.rstrip("\n") for block in blocks(PAGE, "json")]
    time = r'"timestamp": "\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00"'

    assert re.search(time, shown)
    assert re.sub(time, "", lines[0]) == re.sub(time, "", shown)


def test_every_decision_is_a_line_and_no_list_is(lines):
    """Asked once or twice, decided once; rows of lists are in no line."""
    assert [(line["verdict"], line["policies"]) for line in of(lines, "avp.decision")[:2]] == [
        ("permitted", ["owner"]),
        ("forbidden", ["suspended"]),
    ]
    assert {line["action"] for line in of(lines, "avp.decision")} == {"EditPhoto", "EditPhotos"}
    assert "never" not in "".join(lines)


def test_other_events_have_their_fields_in_json_too(lines):
    """At their levels; the same configuration serves both loggers."""
    (line,) = of(lines, "avp.unknown_action")

    assert (line["level"], line["logger"]) == ("ERROR", "django_avp")
    assert line["resource_type"] == "PhotoFlash::Photo"


def test_queries_and_patterns_name_what_the_lines_have(lines):
    """Every field is one of the line or of Insights itself, and every value is one that is written."""
    decision = of(lines, "avp.decision")[0]
    texts = [block.text for block in blocks(PAGE, "text") if block.text.startswith(("filter", "{"))]
    assert len(texts) == 6
    for text in texts:
        compared = re.findall(r"(\w+)\)? (?:=|in) ", text)
        listed = re.findall(r"^\| (?:display|stats .+? by) (?:bin\(5m\), )?(.+)$", text, re.MULTILINE)
        names = {name.removesuffix(".0") for line in listed for name in line.split(", ")} - {"@timestamp"}
        assert {*compared, *names} <= set(decision), text
        assert set(re.findall(r'event = "([^"]+)"', text)) <= set(log_events())
        assert set(re.findall(r'verdict = "([^"]+)"', text)) <= set(Verdict)


def cells(heading):
    """The rows of the tables of a section, without the marks of code."""
    return [[cell.replace("`", "") for cell in row] for row in rows(section(PAGE, heading))]


def test_every_event_is_in_the_table():
    """With its level and its fields, as the source has them, and something to do about it."""
    told = {re.match(r"\[(avp\.\w+)\]", row[0])[1]: row[1:] for row in cells("Events") if row[0].startswith("[")}

    assert {event: (level, set(fields.split(", "))) for event, (level, fields, _) in told.items()} == {
        event: (level, fields) for event, (level, _, fields) in log_events().items()
    }
    assert list(told) == sorted(told)
    assert all(cure for _, _, cure in told.values())
    assert {event: logger for event, (_, logger, _) in log_events().items() if logger != "django_avp"} == {
        "avp.decision": "django_avp.audit",
        "avp.round": "django_avp.rounds",
    }


def test_every_name_of_telemetry_is_in_its_tables():
    """Spans, metrics and attributes are those of the source, and none that does not exist."""
    table = "\n".join(line for line in section(PAGE, "OpenTelemetry").splitlines() if line.startswith("|"))
    told = set(re.findall(r"`(avp\.[\w.]+|error\.type)`", table))
    named = set(re.findall(r'"(avp\.[\w.]+|error\.type)"', TELEMETRY))
    spans = {name for name in named if f"{name}.duration" in told}
    numbers = {"check", "call", "unplanned", *Verdict}

    assert told == named | {f"{name}.duration" for name in spans} | {f"avp.round.{name}_count" for name in numbers}
    assert len(spans) == 3
