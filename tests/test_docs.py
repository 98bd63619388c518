"""The documentation is true: its code runs or compiles, its tables equal the code, its links lead somewhere."""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cedarpy
import jinja2
import pytest
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.template import Engine

import django_avp
from django_avp.cedar import EntityUid
from django_avp.conf import Settings, conf
from django_avp.exceptions import PolicyError, UntranslatablePolicyError
from django_avp.policies import load
from django_avp.testing.endpoint import Endpoint
from example_project.photos.demo import ALBUMS
from example_project.signin.personas import PERSONAS
from tests.example.conftest import Demo
from tests.following import Reader, blocks
from tests.log_events import log_events
from tests.testapp.models import Photo

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = [
    README,
    *(ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "benchmarks/README.md", "example_project/README.md")),
    *sorted(DOCS.glob("*.md")),
]
SOURCE = "\n".join(path.read_text() for path in sorted(Path(django_avp.__file__).parent.rglob("*.py")))

LANGUAGES = {
    "cedar",
    "cedarschema",
    "console",
    "django",
    "html",
    "http",
    "jinja",
    "json",
    "python",
    "sql",
    "text",
    "yaml",
}
# Defaults that are derived from something else, in words.
DERIVED = {
    "AVP_POLICIES",
    "AVP_USER_POOLS",
    "AVP_ISSUERS",
    "AVP_SERVER_TIMING",
    "AVP_SHOW_POLICIES",
    "AVP_CACHE_DENIED_TTL",
    "AVP_SIGN_IN_CLIENT_ID",
}

pages = pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


def outside_of_blocks(page):
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def anchors(page):
    """The ids that headings get where the page is shown."""
    headings = re.findall(r"^#+ (.+)$", outside_of_blocks(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def rows(text):
    """The cells of tables, without their heads."""
    lines = re.findall(r"^\|(.+)\|$", text, re.MULTILINE)
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)] for line in lines if not line.startswith("---")]


# Code


@pages
def test_blocks_name_their_language(page):
    """Every block says what it is, in a word that these tests know."""
    assert {block.language for block in blocks(page)} <= LANGUAGES


@pages
def test_python_compiles(page):
    """Every Python block is Python, and what it imports from this package is there."""
    for block in blocks(page, "python"):
        tree = ast.parse(block.text, f"{page.name}:{block.line}")
        compile(tree, f"{page.name}:{block.line}", "exec")
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("django_avp"):
                module = importlib.import_module(node.module)
                assert all(hasattr(module, alias.name) for alias in node.names), block


@pages
def test_dotted_paths_exist(page):
    """Every path into this package that a page names can be imported."""
    for path in re.findall(r"[\"`](django_avp(?:\.\w+)+)[\"`]", page.read_text()):
        is_other_name = path == "django_avp.audit" or re.fullmatch(r"django_avp\.[EW]\d\w+", path)
        assert is_other_name or pkgutil.resolve_name(path), path


@pages
def test_policies_and_schemas_parse(page):
    """Every Cedar block is Cedar, and every policy in it has an id of its own."""
    for block in blocks(page, "cedar"):
        document = json.loads(cedarpy.policies_to_json_str(block.text))
        policies = [*document["staticPolicies"].values(), *document["templates"].values()]
        assert all(policy["annotations"]["id"] for policy in policies), block
    for block in blocks(page, "cedarschema"):
        cedarpy.Schema.from_str(block.text)


@pages
def test_templates_compile(page):
    """Every template block is one."""
    tags = "django_avp.templatetags.avp"
    engine = Engine(libraries={"avp": tags}, builtins=[tags])
    for block in blocks(page, "django"):
        engine.from_string(block.text)
    for block in blocks(page, "jinja"):
        jinja2.Environment(autoescape=True).from_string(block.text)


@pages
def test_json_parses(page):
    """Every JSON block is JSON."""
    for block in blocks(page, "json"):
        json.loads(block.text)


def test_the_policies_page_is_one_working_set(tmp_path):
    """Its policies, template and links load together and agree with its schema."""
    page = DOCS / "policies.md"
    (tmp_path / "all.cedar").write_text("\n".join(block.text for block in blocks(page, "cedar")))
    (tmp_path / "schema.cedarschema").write_text(blocks(page, "cedarschema")[0].text)
    (tmp_path / "template-links.json").write_text(blocks(page, "json")[0].text)

    policies = load([tmp_path])

    assert policies.schema is not None
    assert not policies.warnings
    assert "share-summer-with-bob" in policies.statements


# Links


@pages
def test_links_lead_somewhere(page):
    """Every link inside of the repository names a file that is there, and a heading in it."""
    for target in re.findall(r"\]\(([^)\s]+)\)", outside_of_blocks(page)):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.is_file(), target
        assert not anchor or anchor in anchors(file), target


def test_pictures_are_described_and_small():
    """Every picture is on a page, with words for who does not see it, and none keeps a reader waiting."""
    pictures = set((DOCS / "images").iterdir())
    shown = {
        (page.parent / path).resolve(): alt
        for page in PAGES
        for alt, path in re.findall(r"!\[(.*?)\]\((.+?)\)", page.read_text())
    }
    assert shown.keys() == pictures
    assert all(len(alt) > 40 for alt in shown.values())
    assert all(picture.stat().st_size < 150_000 for picture in pictures)


def test_every_page_is_on_the_map():
    """The README and the map of the documentation lead to every page."""
    for page in DOCS.glob("*.md"):
        assert page.name == "index.md" or f"({page.name})" in (DOCS / "index.md").read_text()
        assert page.name == "index.md" or f"(docs/{page.name})" in README.read_text()


# Facts


def setting_names():
    return {f"AVP_{name.upper()}" for name, value in vars(Settings).items() if isinstance(value, property)}


def readme_settings():
    return {row[0].strip("`"): row for row in rows(README.read_text()) if row[0].startswith("`AVP_")}


def reference_settings():
    """Name, type and default of each setting in the reference, as the README's table has them."""
    found = {}
    for text in re.split(r"^### ", (DOCS / "settings.md").read_text(), flags=re.MULTILINE)[1:]:
        name, facts = re.match(r"(AVP_\w+)\n\nType (.+?)\.\n", text, re.DOTALL).groups()
        kind, _, default = facts.partition(", default")
        found[name] = [f"`{name}`", kind, default.strip(": ")]
    return found


@pytest.fixture
def no_settings(settings):
    """A site that sets nothing of ours."""
    for name in dir(django_settings):
        if name.startswith("AVP_"):
            delattr(settings, name)
    return settings


@pytest.mark.parametrize("table", [readme_settings, reference_settings])
def test_settings_are_all_there(table):
    """The README and the reference describe every setting, and none that does not exist."""
    assert table().keys() == setting_names()


@pytest.mark.parametrize("table", [readme_settings, reference_settings])
def test_defaults_are_the_codes(no_settings, table):
    """A default in the documentation is what the code returns when nothing is set."""
    for name, row in table().items():
        if name not in DERIVED:
            default = getattr(conf, name.removeprefix("AVP_").lower())
            written = ast.literal_eval(row[2].strip("`"))
            assert written == (str(default) if isinstance(default, EntityUid) else default), name


@pytest.mark.parametrize("table", [readme_settings, reference_settings])
def test_types_are_the_codes(no_settings, table):
    """The type of a plain setting is the type of its default, or the one that the code declares."""
    declared = {f"AVP_{name.upper()}": value for name, value in vars(Settings).items() if isinstance(value, property)}
    for name, row in table().items():
        kind = declared[name].fget.__annotations__["return"]
        if kind in ("str", "int", "bool", "float"):
            assert row[1] == f"`{kind}`", name
        elif "Callable" in kind:
            assert row[1].startswith("callable"), name


def test_derived_defaults_are_what_the_words_say(no_settings, tmp_path):
    """Policies are found beside BASE_DIR, pools are required, issuers follow from them, timing follows DEBUG, …"""
    (tmp_path / "policies").mkdir()
    no_settings.BASE_DIR = tmp_path
    assert conf.policies == (tmp_path / "policies",)
    with pytest.raises(ImproperlyConfigured):
        _ = conf.user_pools
    no_settings.AVP_USER_POOLS = {"eu-west-1_AbCdEf123": None}
    assert len(conf.issuers) == 2
    for debug in (True, False):
        no_settings.DEBUG = debug
        assert conf.server_timing is debug
        assert conf.show_policies is debug
    no_settings.AVP_CACHE_TTL = 7
    assert conf.cache_denied_ttl == 7


@pages
def test_no_other_setting_is_mentioned(page):
    """A name that looks like a setting is one."""
    assert set(re.findall(r"\bAVP_[A-Z_]*[A-Z]\b", page.read_text())) <= setting_names()


BROKEN = [
    {},
    {"a.cedar": '@id("x") permit (principal, action, resource) when { resource.title = "x" };'},
    {"a.cedar": "permit (principal, action, resource"},
    {"a.cedar": '@id("x") permit (principal, action, resource);\n@id("x") permit (principal, action, resource);'},
    {"a.cedar": 'permit (principal, action, resource) when { unknown("x") };'},
    {"a.cedar": "permit (principal, action, resource);", "schema.cedarschema": "entity User in [Grup];"},
    {"schema.cedarschema": "entity User;", "more/schema.cedarschema": "entity User;"},
    {
        "a.cedar": '@id("x") permit (principal == ?principal, action, resource);',
        "template-links.json": '[{"templateId": "y", "newId": "l", "values": {}}]',
    },
    {
        "a.cedar": '@id("x") permit (principal == ?principal, action, resource);',
        "template-links.json": '[{"templateId": "x", "newId": "l", "values": {}}]',
    },
]
DISAGREEING = {
    "schema.cedarschema": "entity User, Photo; action View appliesTo { principal: [User], resource: [Photo] };",
    "a.cedar": 'permit (principal, action == Action::"View", resource) when { resource.title == "x" };\n'
    'permit (principal, action == Action::"Veiw", resource);',
}


def load_files(directory, files):
    directory.mkdir()
    for name, text in files.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(text)
    return load([directory])


def test_messages_about_policies_are_the_codes(tmp_path):
    """Each message of the policies page is one that such a file really causes."""
    messages = []
    for number, files in enumerate(BROKEN):
        with pytest.raises(PolicyError) as caught:
            load_files(tmp_path / str(number), files)
        messages.append(str(caught.value))
    with pytest.raises(PolicyError) as caught:
        load([tmp_path / "nowhere"])
    messages += [str(caught.value), *load_files(tmp_path / "disagreeing", DISAGREEING).warnings]
    table = re.split(r"\n##+ ", (DOCS / "policies.md").read_text().partition("## What can be wrong")[2])[0]
    told = [row[0].strip("`") for row in rows(table) if row[0].startswith("`")]
    assert len(told) == len(BROKEN) + 3
    for message in told:
        parts = [part.strip() for part in re.split(r"^policies/[\w.-]+:(?:\d+:)?|…", message)]
        assert any(all(part in one for part in parts) for one in messages), (message, messages)


def test_messages_of_troubleshooting_are_the_codes():
    """Each message that the page quotes stands in the package."""
    section = (DOCS / "troubleshooting.md").read_text().partition("## Messages")[2]
    quoted = re.findall(r"^\*\*`(?:This Photo|Photo)?(.+)`\*\*$", section, re.MULTILINE)
    assert len(quoted) >= 5
    for message in quoted:
        assert message in SOURCE.replace('\\"', '"'), message


def test_checks_are_all_explained():
    """The page of system checks has each id of the code, once."""
    explained = re.findall(r"^\| `(django_avp\.[EW]\d+)`", (DOCS / "checks.md").read_text(), re.MULTILINE)
    assert sorted(explained) == sorted(set(re.findall(r'id="(django_avp\.[EW]\d+)"', SOURCE)))
    mentioned = {check for page in PAGES for check in re.findall(r"\b[EW]\d{3}\b", page.read_text())}
    assert {f"django_avp.{check}" for check in mentioned} == set(explained)


def test_log_events_are_all_explained():
    """The troubleshooting page has each event that the package logs, in order."""
    explained = re.findall(r"^### (avp\.\w+)$", (DOCS / "troubleshooting.md").read_text(), re.MULTILINE)
    assert explained == sorted(log_events())


def codes_under(event):
    section = (DOCS / "troubleshooting.md").read_text().partition(f"### {event}\n")[2].partition("\n### ")[0]
    return {code for row in rows(section) for code in re.findall(r"`(\w+)`", row[0])}


def test_token_codes_are_all_explained():
    """Every code that a refused token may have is in the table."""
    called = re.findall(r'(?:_invalid|Token\w*Error|KeySetUnavailableError)\(\s*"(\w+)"', SOURCE)
    tokens = "\n".join(path.read_text() for path in (ROOT / "django_avp" / "tokens").glob("*.py"))
    named = re.findall(r'^    "(\w+)": "[A-Z]', tokens, re.MULTILINE)
    translated = re.findall(r'\(jwt\.\w+, "(\w+)"\)', SOURCE)
    assert codes_under("avp.token_refused") == {*called, *named, *translated}


def test_check_faults_are_all_explained():
    """Every reason for which a check is not asked is in the table."""
    assert codes_under("avp.check_refused") == set(re.findall(r'(?:WorldFault\(|fault = )"(\w+)"', SOURCE))


def test_verdicts_and_causes_are_all_explained():
    """Concepts names each verdict and each cause."""
    text = (DOCS / "concepts.md").read_text()
    source = (ROOT / "django_avp" / "cedar.py").read_text()
    values = re.findall(r'^    [A-Z_]+ = "(\w+)"$', source, re.MULTILINE)
    assert values
    assert all(f"`{value}`" in text for value in values)


def test_supported_versions_are_those_of_the_package():
    """The README names the Pythons and Djangos that the package declares."""
    declared = re.findall(r"(?:Python :: 3|Django) ?:?:? ?(\.?\d[\d.]*)", (ROOT / "pyproject.toml").read_text())
    section = README.read_text().partition("## Versions and tests")[2].partition("\n## ")[0]
    assert declared
    for version in declared:
        assert (f"3{version}" if version.startswith(".") else version) in section


def test_the_example_lists_no_buttons():
    """What its pages ask is known from their templates: no view declares or collects it."""
    views = (ROOT / "example_project/photos/views.py").read_text()
    assert not re.findall(r"get_also_checks|\.collect\(|\balso=", views)


def test_the_example_has_the_numbers_of_the_readme():
    """The gallery asks its gate, and two questions about each photo of a page and about each album."""
    page_size = int(re.search(r"paginate_by = (\d+)", (ROOT / "example_project/photos/views.py").read_text())[1])
    text = README.read_text()
    assert f"{page_size} photos and six albums, is {1 + 2 * (page_size + len(ALBUMS))} checks in one round" in text
    assert len(ALBUMS) == 6
    assert len(PERSONAS) == 7
    assert "one of seven people" in text


# Pages that are typed


@pytest.fixture(scope="module")
def start(started, tmp_path_factory):
    """A folder as the start leaves it, in which other pages go on."""

    def go_on(page, heading=None, variables=None):
        directory = tmp_path_factory.mktemp("project")
        shutil.copytree(started.directory, directory, dirs_exist_ok=True)
        with Reader(directory, variables=variables) as reader:
            return reader.follow(DOCS / page, heading)

    return go_on


def assert_as_shown(outputs):
    assert [output for output in outputs if not output.is_as_shown] == []


def test_the_start_prints_what_its_page_shows(started):
    """Who follows the start in an empty folder has gates, buttons, lists and an API, and sees what the page shows."""
    assert len([output for output in started.outputs if output.command.startswith("curl")]) == 14
    assert_as_shown(started.outputs)


def test_a_script_outside_of_requests_prints_what_the_lists_page_shows(start):
    """Its list has the rows that the page says."""
    outputs = start("lists.md", "Outside of a request")
    assert len(outputs) == 1
    assert_as_shown(outputs)


def test_a_policy_store_is_made_as_its_page_says(start):
    """The commands put a store, its identity source, schema and policies in place, at a local endpoint."""
    with Endpoint([]) as endpoint:
        variables = {"AWS_ENDPOINT_URL": endpoint.url, "AWS_DEFAULT_REGION": "eu-west-1", "AWS_REGION": "eu-west-1"}
        keys = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
        outputs = start("aws.md", "The policy store", variables | keys)
    assert len(outputs) == 3
    assert_as_shown(outputs)


def test_async_views_print_what_their_page_shows(start):
    """A coroutine function has a gate and a list, collects its checks, and has its template planned."""
    outputs = start("async.md")
    assert len(outputs) == 4
    assert_as_shown(outputs)


def test_migrating_keeps_what_was_granted(start):
    """What guardian and Django's groups have granted is still granted by links, an attribute and policies."""
    outputs = start("migrating.md")
    assert len([output for output in outputs if output.printed == "ann loses []\nbob loses []"]) == 2
    assert_as_shown(outputs)


def test_the_readme_alone_leads_from_an_empty_folder_to_a_page(tmp_path):
    """Its five-minute start prints what it shows, without any other page."""
    with Reader(tmp_path) as reader:
        outputs = reader.follow(README, "Five-minute start")
    assert len([output for output in outputs if output.command.startswith("curl")]) == 5
    assert_as_shown(outputs)


def test_the_first_screen_is_a_part_of_the_start():
    """What the README shows first is of the project that the start builds."""
    start = (DOCS / "start.md").read_text()
    first = README.read_text().partition("\n## ")[0]
    shown = [block for block in blocks(README) if block.text in first]
    assert shown
    for block in shown:
        assert all(line in start for line in block.text.splitlines()), block


def test_the_tests_of_the_testing_page_pass(started, tmp_path):
    """The page's own tests run in the project of the start."""
    shutil.copytree(started.directory, tmp_path, dirs_exist_ok=True)
    block = next(block for block in blocks(DOCS / "testing.md", "python") if "photos/tests.py" in block.intro)
    (tmp_path / "photos" / "tests.py").write_text(block.text)
    with Reader(tmp_path) as reader:
        reader.run("python manage.py test --verbosity 0")


def test_the_formatter_of_the_troubleshooting_page_shows_fields(caplog, authorize):
    """What an event is about is in the line, as the page has it."""
    page = DOCS / "troubleshooting.md"
    names = {}
    exec(next(block.text for block in blocks(page, "python") if "Formatter" in block.text), names)  # noqa: S102
    authorize("ann").can("EditPhotos", EntityUid("Application", "default"))
    record = next(record for record in caplog.records if record.getMessage() == "avp.unknown_action")

    line = names["Fields"]("%(levelname)s %(message)s").format(record)

    shown, _, rest = blocks(page, "text")[0].text.partition("…")
    assert rest
    assert line.startswith(shown)


# Lists

QUERIES = """
import json, sys
import django
django.setup()
from django.conf import settings
from django.db import connection
from django_avp.authorization import Authorization
from django_avp.identity import Identity
from example_project.photos.models import Photo
from example_project.signin.personas import OLIVIA, VICTOR
told = []
for persona, action, shown in zip((VICTOR, OLIVIA), ("ViewPhoto", "EditPhoto"), json.load(sys.stdin), strict=True):
    claims = {"sub": persona.sub, "cognito:groups": persona.groups, "aud": "photoflash-demo"}
    authorization = Authorization(Identity.from_claims(claims))
    photos = Photo.objects.order_by("pk")
    sql, params = authorization.permitted(action, photos).query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(shown)
        found = [row[0] for row in cursor.fetchall()]
    authorization.collect(action, photos)
    expected = [photo.pk for photo in photos if authorization.can(action, photo)]
    told.append([sql % tuple(map(repr, params)), found, expected])
print(json.dumps(told))
"""
# That a text is one which Cedar holds, and that an id is one: the page says that it leaves these out.
TESTS_OF_TEXTS = (
    r"INSTR\(\S+, CHAR\(0\)\) = 0|LENGTH\(\S+\) BETWEEN 1 AND 612|[^\s(]+ NOT LIKE '%\s%'"
    r"|LENGTH\(\S+\) = LENGTH\(CAST\(\S+ AS BLOB\)\)"
)


def without_tests_of_texts(sql):
    """What is left of a query where all texts are as they should be."""
    sql, before = re.sub(TESTS_OF_TEXTS, "TRUE", sql), ""
    while sql != before:
        before = sql
        sql = re.sub(r"TRUE AND | AND TRUE\b|NOT \(?TRUE\)? OR |TRUE OR (?=TRUE)", "", sql).replace("(TRUE)", "TRUE")
    return sql


def words_of_a_query(sql):
    """Everything in a query but comments, parentheses, the columns it returns, and the order of alternatives."""
    # Which names stand in quotes differs between versions of Django.
    sql = re.sub(r'--.*|"', "", sql.partition(" FROM ")[2])
    return sorted(re.sub(r"^([TU])\d+", r"\1", word) for word in re.findall(r"[^\s()]+", sql))


def test_the_queries_of_the_lists_page_are_the_examples(tmp_path):
    """They are those that the example makes, and find the rows that single checks permit."""
    demo = Demo(tmp_path / "data")
    for arguments in (["migrate", "--verbosity=0"], ["seed_demo"]):
        assert demo.manage(*arguments).returncode == 0
    shown = [block.text for block in blocks(DOCS / "lists.md", "sql")]
    runnable = [text.replace("…", '"photos_photo"."id"') for text in shown]
    process = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", QUERIES],
        cwd=ROOT,
        env=demo.environment(),
        input=json.dumps(runnable),
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr

    for text, (made, found, expected) in zip(shown, json.loads(process.stdout), strict=True):
        assert words_of_a_query(text) == words_of_a_query(without_tests_of_texts(made))
        assert found == expected
        assert found


def test_the_refusal_of_the_lists_page_is_the_codes(authorize, settings, tmp_path):
    """Its message is one that such a policy causes."""
    shown = next(block.text for block in blocks(DOCS / "lists.md", "text") if "cannot be compiled" in block.text)
    text = '@id("popular") permit (principal, action, resource) when { resource.likes * 2 > 10 };'
    (tmp_path / "popular.cedar").write_text(text)
    settings.AVP_POLICIES = tmp_path

    with pytest.raises(UntranslatablePolicyError) as refused:
        authorize("ann").permitted("ViewPhoto", Photo.objects.all())

    assert str(refused.value) == " ".join(shown.split())


def test_every_rule_is_explained_and_proved():
    """A rule that the code names stands on the rules page, and each has tests of its name."""
    told = set(re.findall(r"^\| ([A-G]\d+) \|", (DOCS / "rules.md").read_text(), re.MULTILINE))
    package = "".join(path.read_text() for path in (ROOT / "django_avp").rglob("*.py"))
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))

    assert set(re.findall(r"\b[Rr]ules? ([A-G]\d+)\b", package)) <= told
    for rule in told:
        assert f"def test_{rule.lower()}_" in tests, rule
