"""``request.avp.explain``: what it says of decisions, of each policy, and of the parts of policies."""

from __future__ import annotations

import json

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings

from django_avp.authorization import Authorization
from django_avp.cedar import Decision, EntityUid, Verdict
from django_avp.explanation import ERRORS, Outcome, PolicyOutcome
from django_avp.identity import Identity
from django_avp.policies import PolicyBuilder, Statement, load
from django_avp.policy_files import MAX_NESTING
from django_avp.runtime import runtime
from tests.conftest import POOL
from tests.explanation.engines import Choosy, Remote, Silent, Stale, Unread, deciding
from tests.filtering.conftest import Fixed, parsed
from tests.testapp.models import Account, Album, Photo, Tag

pytestmark = pytest.mark.django_db

NS = "PhotoFlash::"
ALL = "permit (principal, action, resource)"


def of(explanation, policy_id):
    """What an explanation says of a policy."""
    (report,) = [policy for policy in explanation.policies if policy.policy_id == policy_id]
    return report


def told(finding):
    """A finding as a tuple: expression, outcome, and the same of its sides."""
    return (finding.expression, finding.outcome.value, *map(told, finding.inner))


def line_of(policy_id):
    """The line that a policy of the test site begins on."""
    lines = (settings.AVP_POLICIES / "photos.cedar").read_text().splitlines()
    return lines.index(f'@id("{policy_id}")') + 1


# Decisions


def test_what_is_permitted_names_its_policy_with_source_and_place(authorize, photo):
    """The policy that decided comes first, with its text, its file and its line."""
    explanation = authorize("ann").explain("EditPhoto", photo)

    assert explanation.decision.verdict is Verdict.PERMITTED
    (owner,) = explanation.determining
    assert explanation.policies[0] is owner
    assert (owner.policy_id, owner.effect, owner.place) == ("owner", "permit", "tests/policies/photos.cedar:2")
    assert owner.statement.text.startswith("// Owners do as they like.\n@id(")
    assert owner.outcome is PolicyOutcome.APPLIES
    assert owner.finding is None
    assert explanation.refusal is None
    assert explanation.notes == ()


def test_what_is_not_permitted_names_what_each_policy_wants(authorize, photo):
    """Every policy about the action has the smallest condition that fails; the others are set apart."""
    explanation = authorize("bob").explain("EditPhoto", photo)

    assert explanation.decision.verdict is Verdict.NOT_PERMITTED
    assert {policy.policy_id: told(policy.finding) for policy in explanation.candidates} == {
        "owner": ("resource.owner == principal", "false"),
        "mfa-preview": ("context has mfa", "false"),
        "scope": ("context has token", "false"),
        "suspended": (f'principal in {NS}Group::"{POOL}|suspended"', "false"),
        "archived": (f'resource in {NS}Account::"archive"', "false"),
    }
    assert explanation.determining == ()
    assert not of(explanation, "public-photo").is_candidate
    assert of(explanation, "everybody-lists").finding.kind == "action"


def test_what_is_forbidden_names_the_forbid(authorize, photo):
    """A permit that applies as well does not decide."""
    explanation = authorize("ann", "suspended").explain("EditPhoto", photo)

    assert explanation.decision.verdict is Verdict.FORBIDDEN
    assert [(policy.policy_id, policy.effect) for policy in explanation.determining] == [("suspended", "forbid")]
    owner = of(explanation, "owner")
    assert (owner.outcome, owner.is_determining) == (PolicyOutcome.APPLIES, False)
    assert explanation.groups == (EntityUid(f"{NS}Group", f"{POOL}|suspended"),)


def test_a_link_is_explained_by_its_template_with_the_slots_filled(authorize, photo):
    """It has the template's text and place, and a place of its own."""
    explanation = authorize("bob").explain("ViewPhoto", photo)

    shared = of(explanation, "shared-with-sue")
    assert told(shared.finding) == (f'principal == {NS}User::"{POOL}|sue"', "false")
    assert (shared.template_id, shared.place) == ("shared", f"tests/policies/photos.cedar:{line_of('shared')}")
    assert shared.link.path.name == "template-links.json"
    assert "?principal" in shared.statement.text
    assert "shared" not in {policy.policy_id for policy in explanation.policies}


def test_a_link_applies_to_whom_it_names(authorize, photo):
    """Both of its slots are filled."""
    photo.album = Album.objects.create(account=Account.objects.create(slug="shared"))
    photo.save()
    explanation = authorize("sue").explain("ViewPhoto", photo)

    assert [policy.policy_id for policy in explanation.determining] == ["shared-with-sue"]


def test_the_slots_of_a_link_may_stand_in_any_part_of_a_scope(authorize, photo, tmp_path):
    """A type beside a slot is a part of its own; a slot that is filled with another type sets the link apart."""
    (tmp_path / "templates.cedar").write_text(
        f'@id("in") permit (principal in ?principal, action, resource is {NS}Photo in ?resource);\n'
        '@id("is") permit (principal, action, resource == ?resource);\n'
    )
    group, album = ({"type": f"{NS}{kind}", "id": name} for kind, name in [("Group", f"{POOL}|a"), ("Album", "7")])
    links = [
        {"templateId": "in", "newId": "group", "values": {"?principal": group, "?resource": album}},
        {"templateId": "is", "newId": "album", "values": {"?resource": album}},
    ]
    (tmp_path / "template-links.json").write_text(json.dumps(links))
    with runtime.use_engine(Fixed(load([tmp_path]))):
        explanation = authorize("ann", "a").explain("EditPhoto", photo)

    assert told(of(explanation, "group").finding) == (f'resource in {NS}Album::"7"', "false")
    assert [policy.policy_id for policy in explanation.candidates] == ["group"]
    assert told(of(explanation, "album").finding) == (f'resource == {NS}Album::"7"', "false")


def test_entities_and_context_are_those_of_the_decision(authorize, photo):
    """The principal with its claims, the resource with its attributes, and the context as Cedar saw it."""
    authorization = authorize("ann", email="ann@example.com", iat=1)
    explanation = authorization.explain("EditPhoto", photo, {"mfa": True})

    entities = {entity.uid: entity for entity in explanation.entities}
    assert entities[explanation.principal].attributes == {"email": "ann@example.com"}
    assert entities[explanation.check.resource].attributes["title"] == "dawn"
    assert explanation.context == {"mfa": True}


def test_claims_of_an_access_token_are_in_the_context(db, photo):
    """That is where policies find them."""
    identity = Identity.from_claims({"sub": "bob", "token_use": "access", "scope": "photos/write", "client_id": "c"})
    explanation = Authorization(identity).explain("EditPhoto", photo)

    assert [policy.policy_id for policy in explanation.determining] == ["scope"]
    assert explanation.context == {"token": {"client_id": "c", "scope": ["photos/write"]}}


def test_the_policies_of_a_type_or_an_action_are_set_apart(authorize, photo):
    """A policy that asks for another type of principal or resource could not have applied."""
    policies = f"""permit (principal is {NS}Visitor, action, resource);
permit (principal, action, resource is {NS}Album);
permit (principal, action, resource == {NS}Album::"1");
permit (principal, action, resource is {NS}Photo in {NS}Album::"1");
permit (principal, action == {NS}Action::"X", resource);
permit (principal, action in [{NS}Action::"X", {NS}Action::"EditPhoto"], resource) when {{ false }};
"""
    with deciding(policies):
        explanation = authorize("ann").explain("EditPhoto", photo)

    assert [policy.policy_id for policy in explanation.candidates] == ["p3", "p5"]
    assert told(of(explanation, "p3").finding) == (f'resource in {NS}Album::"1"', "false")
    assert told(of(explanation, "p1").finding) == (f"resource is {NS}Album", "false")


def test_the_async_twin_says_the_same(authorize, photo):
    """It asks the engine once."""
    authorization = authorize("bob")
    explanation = async_to_sync(authorization.aexplain)("EditPhoto", photo)

    assert explanation == authorize("bob").explain("EditPhoto", photo)
    assert len(authorization.rounds) == 1
    refused = async_to_sync(authorization.aexplain)("EditPhoto", photo, {"note": {"__entity": {}}})
    assert refused.refusal.code == "context"


# Parts of policies

CONDITIONS = [
    ("when { true && resource.is_public && true }", ("resource.is_public", "false")),
    ("when { true } when { resource.likes > 3 }", ("resource.likes > 3", "false")),
    ("when { !(resource.likes < 3) }", ("!(resource.likes < 3)", "false")),
    (
        "when { !(true && resource.likes < 3) }",
        ("true && resource.likes < 3", "true", ("true", "true"), ("resource.likes < 3", "true")),
    ),
    ("when { !(resource.is_public || resource.likes < 3) }", ("resource.likes < 3", "true")),
    (
        "when { resource.is_public || (true && resource.likes > 3) }",
        (
            "resource.is_public || (true && resource.likes > 3)",
            "false",
            ("resource.is_public", "false"),
            ("resource.likes > 3", "false"),
        ),
    ),
    ("unless { resource.title == \"dawn\" }", ("resource.title == \"dawn\"", "true")),
    ("unless { resource.is_public || resource.title like \"d*\" }", ("resource.title like \"d*\"", "true")),
    (
        "when { if resource.likes > 3 then true else resource.is_public }",
        (
            "if resource.likes > 3 then true else resource.is_public",
            "false",
            ("resource.likes > 3", "false"),
            ("resource.is_public", "false"),
        ),
    ),
    (
        "when { if resource.likes < 3 then resource.is_public else true }",
        (
            "if resource.likes < 3 then resource.is_public else true",
            "false",
            ("resource.likes < 3", "true"),
            ("resource.is_public", "false"),
        ),
    ),
    ("when { resource[\"is_public\"] }", ("resource.is_public", "false")),
    (
        "when {\n  // a comment\n  (resource.title) ==\n    \"a  b\" // another\n}",
        ("(resource.title) == \"a  b\"", "false"),
    ),
    ("when { (resource.tags).contains(\"x\") }", ("(resource.tags).contains(\"x\")", "false")),
    ("when { ([1].contains(resource.likes)) }", ("[1].contains(resource.likes)", "false")),
    ("when { (1 + resource.likes) * 2 == 3 && true }", ("(1 + resource.likes) * 2 == 3", "false")),
    ("when { resource has meta.camera }", ("resource has meta", "false")),
    # The first place with these words begins at a bracket inside a text.
    (
        "when { !((resource.title == \"(\" && resource.is_public) == true) && (resource.is_public) == true }",
        ("(resource.is_public) == true", "false"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("clauses", "expected"), CONDITIONS)
def test_the_smallest_condition_that_fails_is_named_as_written(authorize, photo, clauses, expected):
    """Conjunctions, alternatives, negations and branches are followed to what settles them, by Cedar's word."""
    with deciding(f"{ALL} {clauses};\n"):
        explanation = authorize("ann").explain("EditPhoto", photo)

    report = of(explanation, "p0")
    assert report.outcome is PolicyOutcome.DOES_NOT_APPLY
    assert told(report.finding) == expected
    assert report.finding.kind == clauses.partition(" ")[0]


LONG = 2**63 - 1
ERRING = [
    ("resource.size.lessThan(decimal(\"1.0\"))", "resource.size", "no_attribute"),
    ("{a: 1}.b == 2", "{a: 1}.b", "no_attribute"),
    ("resource.getTag(\"x\") == 1", "resource.getTag(\"x\")", "no_tag"),
    (f"{NS}Album::\"7\".title == \"x\"", f"{NS}Album::\"7\".title", "no_entity"),
    ("resource.owner.email == \"x\"", "resource.owner.email", "other_principal"),
    ("principal.email == \"x\"", "principal.email", "no_attribute"),
    (f"resource.likes + {LONG} + {LONG} > 3", f"resource.likes + {LONG} + {LONG}", "overflow"),
    ("1 + resource.title == 3", "1 + resource.title", "wrong_type"),
    ("-resource.title == 3", "-resource.title", "wrong_type"),
    ("resource.title.a == 3", "resource.title.a", "wrong_type"),
    ("resource.title.getTag(\"a\") == 3", "resource.title.getTag(\"a\")", "wrong_type"),
    ("resource.title < 3", "resource.title < 3", "wrong_type"),
    ("decimal(resource.title) == decimal(\"1.0\")", "decimal(resource.title)", "bad_call"),
    ("resource.title", "resource.title", "not_bool"),
    ("true && resource.title", "resource.title", "not_bool"),
    ("true || false && resource.size == 1", None, ""),
    ("false || resource.title", "resource.title", "not_bool"),
    ("!resource.title", "resource.title", "not_bool"),
    ("[1, resource.album].contains(1)", "resource.album", "no_attribute"),
    ("(if resource.is_public then 1 else resource.album) == 1", "resource.album", "no_attribute"),
    ("if resource.title then true else false", "resource.title", "not_bool"),
    ("if resource.is_public then true else 3", "3", "not_bool"),
    ("(true && resource.album) == true", "resource.album", "no_attribute"),
    ("resource is PhotoFlash::Photo in resource.album", "resource.album", "no_attribute"),
    ("{a: resource.album} == {a: 1}", "resource.album", "no_attribute"),
    ("resource.album like \"x\"", "resource.album", "no_attribute"),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "expression", "code"), ERRING)
def test_an_error_is_found_where_it_happens(authorize, photo, condition, expression, code):
    """The innermost expression that is one, with a code of ours in the place of Cedar's text (rule A8)."""
    with deciding(f"{ALL} when {{ {condition} }};\n"):
        explanation = authorize("bob").explain("EditPhoto", photo)

    report = of(explanation, "p0")
    if expression is None:
        assert report.outcome is PolicyOutcome.APPLIES
        return
    assert explanation.errors == (report,)
    assert (report.finding.expression, report.finding.outcome) == (expression, Outcome.ERROR)
    assert report.finding.code == code
    assert ERRORS[code] in str(explanation)


def test_a_policy_that_nests_as_deep_as_there_are_is_explained(authorize, photo):
    """What evaluates its parts does not nest deeper than it does itself."""
    deepest = None
    for depth in range(1, MAX_NESTING):
        body = "resource.is_public"
        for _ in range(depth):
            body = f"!({body})"
        try:
            builder = PolicyBuilder()
            builder.add(Statement(parsed(f"{ALL};\n").statements["p0"].path, 1, f"{ALL} when {{ {body} == 1 }};"), "p0")
            builder.build(None)
        except Exception:
            break
        deepest = body
    with deciding(f"{ALL} when {{ {deepest} == resource.album }};\n"):
        explanation = authorize("bob").explain("EditPhoto", photo)

    assert (of(explanation, "p0").finding.expression) == "resource.album"


# Engines


def test_an_engine_that_tells_no_policies_leaves_their_ids(authorize, photo):
    """And the explanation says why there is no more."""
    engine = Silent()
    engine.answer = Decision(Verdict.PERMITTED, ("SPEXAMPLE",))
    with runtime.use_engine(engine):
        explanation = authorize("ann").explain("EditPhoto", photo)

    assert explanation.policies == ()
    assert explanation.refusal is None
    assert "does not tell the policies" in explanation.notes[0]
    assert "SPEXAMPLE: its text is not known here" in str(explanation)


def test_policies_that_cannot_be_read_now_are_no_fault(authorize, photo):
    """The decision is told, and why there is no more; a question that was refused points to the log."""
    engine = Unread()
    with runtime.use_engine(engine):
        explanation = authorize("ann").explain("EditPhoto", photo)

    assert "The policy store was not read yet." in explanation.notes[0]
    assert explanation.refusal.code == "engine"


def test_a_remote_decision_is_explained_by_the_policies_that_lists_are_filtered_by(authorize, photo):
    """The engine that decides need not know them itself."""
    with runtime.use_engine(Remote()):
        explanation = authorize("ann").explain("EditPhoto", photo)

    assert [policy.policy_id for policy in explanation.determining] == ["owner"]
    assert explanation.notes == ()


def test_a_decision_by_other_policies_than_those_known_here_is_told(authorize, photo):
    """A snapshot may be stale; what is evaluated here is said beside what was decided."""
    with runtime.use_engine(Stale(parsed(f"{ALL};\n"), parsed(f"{ALL} when {{ false }};\n"))):
        explanation = authorize("ann").explain("EditPhoto", photo)

    assert explanation.decision.verdict is Verdict.NOT_PERMITTED
    assert explanation.notes[0].startswith("Evaluated here, the answer is permitted by p0: the policies that are known")


def test_a_decision_about_what_is_refused_here_is_told(authorize, photo):
    """The schema that is known here is another one than the store's."""
    schema = "namespace PhotoFlash { entity User, Photo; action A appliesTo { principal: User, resource: Photo }; }"
    with runtime.use_engine(Stale(parsed(f"{ALL};\n", schema), parsed(f"{ALL};\n"))):
        explanation = authorize("ann").explain("EditPhoto", photo)

    assert explanation.decision
    assert explanation.refusal.code == "unknown_action"
    assert explanation.notes[0].startswith("The engine decided it nevertheless")


def test_a_question_that_only_the_engine_refuses_points_to_the_log(authorize, photo):
    """Evaluated here it would be permitted, which is said, too."""
    engine = Stale(parsed(f"{ALL};\n"), None)
    engine.decide = Silent().decide
    with runtime.use_engine(engine):
        explanation = authorize("ann").explain("EditPhoto", photo)

    assert explanation.refusal.code == "engine"
    assert "the answer is permitted by p0" in explanation.notes[0]


def test_a_token_that_the_store_does_not_take_is_told(authorize, photo):
    """Its identity source is another one (rule C10)."""
    with runtime.use_engine(Choosy(parsed(f"{ALL};\n"))):
        explanation = authorize("ann").explain("EditPhoto", photo)

    assert explanation.refusal.code == "not_accepted"


@pytest.mark.parametrize("mode", ["forbids", "any"])
def test_strictness_about_errors_is_told(authorize, photo, settings, mode):
    """A forbid that cannot be evaluated denies, where the site wants it so (rule B2)."""
    settings.AVP_ON_POLICY_ERROR = mode
    with deciding(f"{ALL};\nforbid (principal, action, resource) when {{ resource.album.archived }};\n"):
        explanation = authorize("ann").explain("EditPhoto", photo)

    assert not explanation.decision
    assert explanation.refusal is None
    assert f'AVP_ON_POLICY_ERROR is "{mode}"' in explanation.notes[0]
    assert [policy.policy_id for policy in explanation.errors] == ["p1"]
    assert of(explanation, "p1").is_determining


# Forms


def test_json_round_trips(authorize, photo):
    """The JSON form has nothing in it that JSON has not, and all of the explanation."""
    photo.tags.set([Tag.objects.create(name="x")])
    explanation = authorize("bob", "moderators", email="bob@example.com").explain("EditPhoto", photo, {"note": "n"})
    form = explanation.as_json()

    assert json.loads(json.dumps(form)) == form
    assert form["principal"] == f'{NS}User::"{POOL}|bob"'
    assert (form["allowed"], form["verdict"], form["refusal"]) == (False, "not_permitted", None)
    owner = next(policy for policy in form["policies"] if policy["id"] == "owner")
    assert owner["finding"] == {
        "kind": "when",
        "expression": "resource.owner == principal",
        "outcome": "false",
        "code": "",
        "inner": [],
    }
    assert form["context"] == {"note": "n"}
    assert {entity["uid"]["type"] for entity in form["entities"]} == {f"{NS}Photo", f"{NS}User"}


def test_no_claim_and_no_attribute_is_in_a_repr(authorize, photo):
    """Whoever logs an explanation logs no data."""
    explanation = authorize("bob", email="secret-claim").explain("EditPhoto", photo, {"note": "secret-context"})

    assert "secret" in str(explanation)
    assert "secret" not in repr(explanation)
    assert "dawn" not in repr(explanation)


def test_no_claim_and_no_attribute_is_in_the_log(authorize, photo, caplog):
    """Errors of policies are looked into, and Cedar's own words for them quote entities (rule A8)."""
    caplog.set_level("DEBUG")
    photo.title = "secret-title"
    photo.save()
    condition = "principal.email == resource.title.x || context.note == 1"
    with deciding(f"{ALL} when {{ {condition} }};\n"):
        explanation = authorize("bob", email="secret-claim").explain("EditPhoto", photo, {"note": "secret-context"})

    assert explanation.errors
    assert caplog.records
    assert not [record for record in caplog.records if "secret" in str(vars(record))]


def test_what_does_not_print_is_escaped(authorize, photo):
    """A terminal would act on it, in a value and in a name."""
    photo.title = "\x1b[2J"
    photo.save()
    with deciding(f"{ALL};\n"):
        text = str(authorize("ann").explain("EditPhoto", photo, {"a\x1bb": "c\x1bd", "in": {"e:f": 1}}))

    assert "\x1b" not in text
    assert text.endswith('  "a\\u{1b}b": "c\\u{1b}d"\n  in: {"e:f": 1}')


def test_the_text_has_values_as_policies_write_them(authorize, photo):
    """Entities, extension values, sets, records and nothing at all."""
    photo.size, photo.meta, photo.album = "1.50", {"camera": "c", "flags": ["x"]}, Album.objects.create(title="t")
    photo.save()
    photo.tags.set([Tag.objects.create(name="x")])
    explanation = authorize("bob", "moderators").explain("DeletePhoto", Photo.objects.get(pk=photo.pk), {"mfa": True})
    text = str(explanation).splitlines()

    assert text[0] == "ALLOWED (permitted)"
    assert f'    owner: {NS}User::"{POOL}|ann"' in text
    assert '    size: decimal("1.5")' in text
    assert '    meta: {camera: "c", flags: ["x"]}' in text
    assert '    tags: ["x"]' in text
    assert "    likes: 0" in text
    assert text[-2:] == ["Context", "  mfa: true"]
    assert f'  {NS}Photo::"{photo.pk}" in {NS}Album::"{photo.album.pk}"' in text
    assert f"  permit moderators applies (tests/policies/photos.cedar:{line_of('moderators')})" in text


def test_a_side_of_an_alternative_stands_below_it(authorize, photo):
    """And the scope says in words what it asks for; a link names its own place and its template's."""
    with deciding(f"{ALL} when {{ resource.is_public || resource.likes > 3 }};\n"):
        text = str(authorize("ann").explain("ViewPhoto", photo))

    assert (
        "  permit p0 does not apply (policies.cedar:1)\n"
        "    when: `resource.is_public || resource.likes > 3` is false\n"
        "      `resource.is_public` is false\n"
        "      `resource.likes > 3` is false\n"
    ) in text
    text = str(authorize("ann").explain("ViewPhoto", photo))
    assert (
        "  permit shared-with-sue does not apply (tests/policies/template-links.json:4, by shared at "
        f"tests/policies/photos.cedar:{line_of('shared')})\n"
        f'    `principal == {NS}User::"{POOL}|sue"` is false: it is another principal\n'
    ) in text
