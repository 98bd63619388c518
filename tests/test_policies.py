"""Tests of ``django_avp.policies``: policy files become one bundle that decides as their text does."""

from __future__ import annotations

import json

import cedarpy
import pytest

from django_avp.exceptions import PolicyError
from django_avp.policies import load

PERMIT = "permit (principal, action, resource);"
TEMPLATE = '@id("shared") permit (principal == ?principal, action, resource in ?resource);'
SCHEMA = """
entity U;
entity P in P = { n?: Long };
action a appliesTo { principal: U, resource: P };
"""
VALUES = {"?principal": {"type": "U", "id": "sue"}, "?resource": {"type": "P", "id": "top"}}


@pytest.fixture
def write(tmp_path):
    """Write policy files and return their directory: ``write(a__cedar="…")`` is ``a.cedar``."""

    def make(*policies, schema=None, links=None, **named):
        contents = {f"p{number}.cedar": text for number, text in enumerate(policies)}
        contents.update({f"{name}.cedar": text for name, text in named.items()})
        contents["schema.cedarschema"] = schema
        contents["template-links.json"] = links if isinstance(links, str | None) else json.dumps(links)
        for name, content in contents.items():
            if content is not None:
                (tmp_path / name).write_text(content, encoding="utf-8")
        return tmp_path

    return make


def refusal(directory):
    with pytest.raises(PolicyError) as caught:
        load([directory])
    return str(caught.value).replace(f"{directory}/", "")


# --- Ids, effects, references --------------------------------------------------------------------------------------


def test_policies_have_their_own_ids(write):
    """A policy's id is its ``@id``, or else its file and line; statements tell where each is."""
    policies = load(
        [write(f'@id("one") {PERMIT}\n\n{PERMIT}', f'@id("")\n{PERMIT}\n@id forbid (principal, action, resource);')]
    )

    assert list(policies.statements) == ["one", "p0:3", "p1:1", "p1:3"]
    assert [statement.line for statement in policies.statements.values()] == [1, 3, 1, 3]
    assert policies.statements["one"].text == f'@id("one") {PERMIT}'
    assert policies.forbids == {"p1:3"}
    assert len(policies.policy_set) == 4
    assert (policies.schema, policies.warnings) == (None, ())


def test_links_have_the_effect_of_their_template(write):
    """Templates are linked under the ids of the file; a link of a forbid is a forbid."""
    links = [
        {"templateId": name, "newId": f"{name}-sue", "values": VALUES, "comment": "left out"}
        for name in ("shared", "barred")
    ]
    forbid = TEMPLATE.replace("permit", "forbid").replace("shared", "barred")
    policies = load([write(f"{TEMPLATE}\n{forbid}", links=json.dumps(links, indent=1))])

    assert policies.forbids == {"barred", "barred-sue"}
    assert policies.statements["shared-sue"].line == 4
    assert policies.statements["barred-sue"].path.name == "template-links.json"
    request = {
        "principal": VALUES["?principal"],
        "action": {"type": "Action", "id": "a"},
        "resource": VALUES["?resource"],
    }
    result = cedarpy.is_authorized(request, policies.policy_set, [])
    assert result.diagnostics.reasons == ["barred-sue"]


def test_several_directories_are_one_bundle(write, tmp_path):
    """A list of directories is read as one; the schema may be in any."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    (tmp_path / "one" / "a.cedar").write_text(PERMIT)
    (tmp_path / "two" / "b.cedar").write_text(f"// first\n{PERMIT}")
    (tmp_path / "two" / "schema.cedarschema").write_text(SCHEMA)

    policies = load([tmp_path / "one", tmp_path / "two", tmp_path / "one"])

    assert set(policies.statements) == {"a:1", "b:2"}
    assert "P" in policies.schema.entity_types


def test_validation_warns_with_the_place(write):
    """What Cedar's validator finds is told with file and line; it is no error."""
    text = f'@id("ok") {PERMIT}\n\npermit (principal, action, resource)\nwhen {{ resource.nope }};\n{TEMPLATE}'
    policies = load([write(text, schema=SCHEMA, links=[])])

    (warning,) = policies.warnings
    assert warning.startswith(f"{policies.statements['p0:3'].path}:3: ")
    assert "nope" in warning


def test_references_are_the_policies(write):
    """What policies follow is known of templates, too, and of chains that were rewritten."""
    chain = " && ".join(["resource.a.b", "resource has c", "true", "false", "true"])
    condition = f"when {{ {chain} }};"
    policies = load([write(TEMPLATE.replace(";", condition), f"permit (principal, action, resource) {condition}")])

    assert ("a",) in policies.references.paths["resource"]


# --- Deciding as the text does -------------------------------------------------------------------------------------

ENTITIES = [
    {"uid": VALUES["?principal"], "attrs": {}, "parents": []},
    {
        "uid": {"type": "P", "id": "1"},
        "attrs": {
            "s": 'a*b\\é"\n\u200b',
            "n": -5,
            "set": [1, "x", [True]],
            "rec": {"in": 1, "a b": {"c": "d"}},
            "dec": {"__extn": {"fn": "decimal", "arg": "1.5"}},
            "ip": {"__extn": {"fn": "ip", "arg": "10.0.0.1"}},
            "at": {"__extn": {"fn": "datetime", "arg": "2024-01-31T10:00:00Z"}},
            "for": {"__extn": {"fn": "duration", "arg": "90m"}},
            "ref": {"__entity": {"type": "U", "id": "sue"}},
        },
        "parents": [VALUES["?resource"]],
    },
]
REQUEST = {
    "principal": VALUES["?principal"],
    "action": {"type": "Action", "id": "a"},
    "resource": {"type": "P", "id": "1"},
}


@pytest.mark.parametrize(
    "condition",
    [
        r'resource.s like "a\*b\\é\"\n*"',
        r'resource.s like "a\*"',
        r'resource.s like "*\*b*\u{200b}"',
        r'resource.s == "a*b\\\u{e9}\"\n\u{200B}"',
        r'resource.s like "a**"',
        "resource.n == -5 && -resource.n == 5 && resource.n * -1 > 4 && resource.n + 9223372036854775807 > 0",
        "resource.n - 9223372036854775807 < 0",
        "-9223372036854775808 < resource.n",
        'resource.set.containsAll([[true], "x"]) && resource.set.containsAny([2, 1]) && !resource.set.isEmpty()',
        'resource.rec == {"a b": {c: "d"}, "in": 1} && resource["rec"]["a b"].c == "d"',
        'resource has rec.a && resource.rec has "a b"',
        'resource.dec.lessThan(decimal("1.6")) && resource.ip.isInRange(ip("10.0.0.0/8"))',
        'resource.at.toDate() == datetime("2024-01-31") && resource.at.offset(duration("-1d")) < resource.at',
        "resource.for.toMinutes() == 90",
        'resource.ref == principal && resource.ref is U && resource in P::"top"',
        'resource.ref is U in U::"sue"',
        "if resource.n > 0 then resource.nope else resource has s",
        "resource.nope || true",
        "true || resource.nope",
        "resource.n",
        "context.x.y",
        '!(!(resource has "for")) && resource.hasTag("x")',
        " || ".join(["resource.n == 1"] * 300 + ["resource.n == -5"]),
        " && ".join(["resource.n < 1"] * 300),
    ],
    ids=lambda condition: condition[:40],
)
@pytest.mark.parametrize("effect", ["permit", "forbid"])
def test_policies_decide_as_their_text(write, condition, effect):
    """The way through JSON, ids and all, changes no answer and no error."""
    text = f"{effect} (principal, action, resource) when {{ {condition} }};"
    everything = f'@id("all") {PERMIT}' if effect == "forbid" else ""
    policies = load([write(f'@id("x") {text}\n{everything}\n{TEMPLATE}')])

    ours = cedarpy.is_authorized(REQUEST, policies.policy_set, ENTITIES)
    texts = cedarpy.is_authorized(REQUEST, f"{text}\n{everything}", ENTITIES)

    assert ours.decision is texts.decision is not cedarpy.Decision.NoDecision
    assert len(ours.diagnostics.errors) == len(texts.diagnostics.errors)
    assert len(ours.diagnostics.reasons) == len(texts.diagnostics.reasons)


# --- Broken files --------------------------------------------------------------------------------------------------


def test_nothing_to_decide_with(tmp_path):
    """No directory, one of comments only, one that is missing (beside others, too), or a file: told with the cure."""
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "a.cedar").write_text(PERMIT)
    (tmp_path / "comments").mkdir()
    (tmp_path / "comments" / "a.cedar").write_text("// permit (principal, action, resource);")
    (tmp_path / "file.cedar").write_text(PERMIT)

    for directories, message in (
        ([], "No policy found in no directory. Put *.cedar files there, or name their directory in AVP_POLICIES."),
        ([tmp_path / "comments"], f"No policy found in {tmp_path}/comments. Put"),
        ([tmp_path / "gone"], f"AVP_POLICIES: {tmp_path}/gone is not a directory. Name the one that holds"),
        ([tmp_path / "whole", tmp_path / "gone"], f"AVP_POLICIES: {tmp_path}/gone is not a directory."),
        ([tmp_path / "file.cedar"], f"AVP_POLICIES: {tmp_path}/file.cedar is not a directory."),
    ):
        with pytest.raises(PolicyError) as caught:
            load(directories)
        assert str(caught.value).startswith(message)


def test_broken_policy(write):
    """A policy that Cedar does not take is told with file, line, cause and cure."""
    assert refusal(write(PERMIT, f"\n\n{PERMIT}\n\npermit (principal, action, resource)\nwhen {{ principal. }};")) == (
        "p1.cedar:6: unexpected token `}`. Look at what stands before it; a `;` may be missing there."
    )


def test_ids_are_unique(write):
    """Two policies of one id are told with both places; so are two without one that would be called alike."""
    assert refusal(write(f'@id("x") {PERMIT}', f'\n@id("x") {PERMIT}')) == (
        'p1.cedar:2: the id "x" is used already at p0.cedar:1. Ids are unique; give one of them another @id.'
    )
    assert refusal(write(f"{PERMIT} {PERMIT}")).startswith('p0.cedar:1: the id "p0:1" is used already at p0.cedar:1.')


def test_ids_have_no_backtick(write):
    """Cedar quotes ids with backticks, so one of them could be taken for another's error."""
    assert refusal(write(f'\n@id("a`: b") {PERMIT}')) == "p0.cedar:2: the id 'a`: b' has a backtick. Rename it."


def test_a6_unknown_is_refused(write):
    """The function that makes a residual of a decision is refused, at its line."""
    assert refusal(write(f'{PERMIT}\npermit (principal, action, resource)\nwhen {{\n unknown("x") }};')) == (
        "p0.cedar:4: the function `unknown` is not a part of a policy. Remove it: with it a policy is neither true "
        "nor false."
    )


@pytest.mark.parametrize("depth", [150, 2000])
def test_deep_policies_are_told(write, depth):
    """What nests too deeply to be read, for Cedar or for Python, is told."""
    deep = "if context.a then true else " * depth + "false"

    assert refusal(write(PERMIT, f"\npermit (principal, action, resource) when {{ {deep} }};")).startswith(
        "p1.cedar:2: "
    )


@pytest.mark.parametrize(("opening", "closing"), ["()", "[]", ("{a: ", "}")])
def test_brackets_that_would_end_the_process_are_told(write, opening, closing):
    """Cedar's parser runs out of stack; brackets in strings and comments are none."""
    deep = f"permit (principal, action, resource) when {{ {opening * 4000}1{closing * 4000} == 1 }};"
    assert refusal(write(PERMIT, f"\n{deep}")).startswith("p1.cedar:2: nested too deeply")
    harmless = f'permit (principal, action, resource) when {{ "{opening * 200}" == "" }}; // {opening * 200}'
    assert load([write(PERMIT, f"\n{harmless}")]).statements


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("entity U;\nentity X in [Nope];", "2: failed to resolve type: Nope. Declare it, or correct its name."),
        ("entity U;\n\nentity X {\n a: Nope };\n", "4: failed to resolve type: Nope."),
        ("entity U;\nentity X {\n a: String", "3: error parsing schema: unexpected end of input. Close what is open"),
        ("entity U;\nentity X = a: String;", "2: error parsing schema: unexpected token `a`."),
        ("entity U\nentity X;", "2: error parsing schema: unexpected token `entity`."),
        ("entity Y in [Z];\nentity Z;\nentity X = ;", "3: error parsing schema: unexpected token `;`."),
        ("entity A;\n}", "2: error parsing schema: unexpected token `}`."),
        ("entity U;\nentity U;", "1: error parsing schema: `U` is declared twice."),
    ],
)
def test_broken_schema(write, schema, message):
    """A schema that Cedar does not take is told with its line."""
    assert refusal(write(PERMIT, schema=schema)).startswith(f"schema.cedarschema:{message}")


def test_second_schema(write, tmp_path):
    """A policy store has one schema, so there is one here."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "schema.cedarschema").write_text(SCHEMA)

    assert refusal(write(PERMIT, schema=SCHEMA)) == (
        "schema.cedarschema: a second schema beside more/schema.cedarschema. A policy store has one; merge them."
    )


LINK = {"templateId": "shared", "newId": "sue", "values": VALUES}
WRITE = 'Write [{"templateId": …, "newId": …, "values": {…}}].'
FILL = "the values do not fill the slots of the template."


@pytest.mark.parametrize(
    ("links", "message"),
    [
        ('[\n{"templateId": "shared"\n"newId"}]', f"3: not JSON: Expecting ',' delimiter. {WRITE}"),
        ("", f"1: not JSON: Expecting value. {WRITE}"),
        ({}, f"1: not a list of template links. {WRITE}"),
        ([1], f"1: not a list of template links. {WRITE}"),
        ([{**LINK, "newId": 5}], f"1: not a list of template links. {WRITE}"),
        ([{**LINK, "templateId": None}], f"1: not a list of template links. {WRITE}"),
        ([{**LINK, "values": []}], f"1: not a list of template links. {WRITE}"),
        ([{**LINK, "templateId": "x"}], '2: there is no template with @id("x"). Add it, or remove the link.'),
        ([{**LINK, "templateId": "p0:1"}], '2: there is no template with @id("p0:1"). Add it, or remove the link.'),
        ([LINK, LINK], '3: the id "sue" is used already at template-links.json:2. Ids are unique'),
        ([{**LINK, "newId": "shared"}], '2: the id "shared" is used already at p0.cedar:2.'),
        ([LINK, {**LINK, "newId": "bob", "values": {}}], f"3: {FILL}"),
        ([{**LINK, "values": {**VALUES, "?action": VALUES["?principal"]}}], f"2: {FILL}"),
        ([{**LINK, "values": {**VALUES, "?principal": "U::x"}}], f"2: {FILL}"),
        *(
            ([{**LINK, "values": {**VALUES, "?principal": {"type": kind, "id": entity_id}}}], f"2: {FILL}")
            for kind, entity_id in (
                ("Photo Flash", "x"),
                ("", "x"),
                ("A::if", "x"),
                ("__cedar::U", "x"),
                (5, "x"),
                ("U", None),
                ("U", ""),
                ("U", "x" * 613),
                ("U", "a\0b"),
                ("U", "a\nb"),
            )
        ),
    ],
)
def test_broken_links(write, links, message):
    """Links that are no JSON, no list, of no template, of a used id or with wrong values are told with their line."""
    text = links if isinstance(links, str) else json.dumps(links).replace('{"templateId"', '\n{"templateId"')
    assert refusal(write(f"{PERMIT}\n{TEMPLATE}", links=text)).startswith(f"template-links.json:{message}")


def test_links_without_templates(write):
    """An empty list of links is none."""
    assert list(load([write(PERMIT, links=[])]).statements) == ["p0:1"]
