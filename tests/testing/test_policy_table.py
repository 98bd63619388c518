"""Tables of policy tests in Python: what they decide, and what they refuse to be asked."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from django_avp.cedar import Decision, EntityUid, Verdict
from django_avp.conf import conf
from django_avp.exceptions import PolicyError, TokenInvalidError
from django_avp.identity import Identity
from django_avp.policies import UNKNOWN, load
from django_avp.testing import PolicyTable
from django_avp.testing.failures import told
from django_avp.testing.policy_table import policies_tested
from tests.conftest import POOL
from tests.engines.support import write
from tests.testapp.models import Account, Album, Photo

DAWN = 'Photo::"dawn"'
REQUIRED = {"tags": [], "viewers": [], "commenters": [], "is_public": False, "likes": 0}
PRINCIPALS = {
    "ann": None,
    "bob": {},
    "mia": {"sub": "m-1", "groups": ["moderators"]},
    "writer": {"claims": {"token_use": "access", "scope": "photos/read photos/write"}},
}


@pytest.fixture
def table():
    """Four principals and a photo of ann's."""
    return PolicyTable(PRINCIPALS, {DAWN: {"attributes": {**REQUIRED, "owner": "ann"}}})


def photo(**attributes):
    return {DAWN: {"attributes": {**REQUIRED, **attributes}}}


# What is decided


@pytest.mark.parametrize(
    ("principal", "action", "resource", "expected"),
    [
        ("ann", "EditPhoto", DAWN, "allow"),
        ("ann", 'PhotoFlash::Action::"EditPhoto"', EntityUid("Photo", "dawn"), True),
        ("bob", "EditPhoto", DAWN, "deny"),
        ("bob", "EditPhoto", DAWN, False),
        ("bob", "EditPhoto", DAWN, "not_permitted"),
        ("mia", "DeletePhoto", DAWN, "permitted"),
        ({"sub": "x", "groups": ["moderators", "suspended"]}, "DeletePhoto", DAWN, "forbidden"),
        (Identity.from_claims({"sub": "ann"}, pool=POOL), "DeletePhoto", DAWN, "allow"),
        ("writer", "EditPhoto", DAWN, "allow"),
        ("bob", "ListPhotos", None, "allow"),
        ("bob", "ListPhotos", 'Application::"default"', "allow"),
        ("bob", "ListPhotos", DAWN, "undecided"),
        ("bob", "EditFoto", DAWN, Verdict.UNDECIDED),
    ],
)
def test_policies_decide(table, principal, action, resource, expected):
    """By principals, groups and claims of every form, on resources of every form."""
    table.check(principal, action, resource, expected)


def test_no_database_is_needed(table):
    """A decision is one of Cedar's, with the policies that determined it."""
    decision = table.decide("mia", "DeletePhoto", DAWN)

    assert (decision.verdict, decision.determining_policies) == (Verdict.PERMITTED, ("moderators",))


def test_context_is_read_as_the_schema_declares_it(table):
    """Of the action that is asked."""
    table.check("bob", "EditPhoto", DAWN, "allow", context={"mfa": True}, policies=["mfa-preview"])
    table.check("bob", "EditPhoto", DAWN, "deny", context={"mfa": False, "album": 'Album::"summer"'})


def test_parents_are_followed(table):
    """An entity is in what its parents are in."""
    table.add_entity('Account::"archive"', {"attributes": {"name": "Archive"}})
    album = {"title": "old", "is_public": True, "archived": True}
    table.add_entity('Album::"old"', {"attributes": album, "parents": ['Account::"archive"']})
    table.add_entity('Photo::"old"', {"attributes": {**REQUIRED, "owner": "ann"}, "parents": ['Album::"old"']})

    table.check("ann", "EditPhoto", 'Photo::"old"', "forbidden", policies=["archived"])
    table.check("ann", "ViewPhoto", 'Photo::"old"', "allow", policies=["owner"])


def test_every_kind_of_attribute_is_read_as_the_schema_declares_it(settings, tmp_path):
    """Written as text or as a value of Python's."""
    schema = """
    entity Group; entity User in [Group]; entity Folder;
    entity File = {
      flag: Bool, size: Long, name: String, owner: User, folder: Folder, words: Set<String>, readers: Set<User>,
      at: { host: ipaddr }, price: decimal, cost: decimal, made: datetime, changed: datetime, kept: duration,
    };
    action Read appliesTo { principal: User, resource: File };
    """
    policy = """
    @id("all") permit (principal, action, resource) when {
      resource.flag && resource.size == 7 && resource.name == "n" && resource.owner == principal &&
      resource.folder == Folder::"f" && resource.words.contains("w") && resource.readers.contains(principal) &&
      resource.at.host.isInRange(ip("10.0.0.0/8")) && resource.price == decimal("1.5") &&
      resource.cost == decimal("2.0") && resource.made < datetime("2027-01-01") &&
      resource.changed == datetime("2026-01-01T00:00:00Z") && resource.kept == duration("1h")
    };
    """
    settings.AVP_NAMESPACE = ""
    settings.AVP_POLICIES = write(tmp_path, policy, schema)
    attributes = {
        "flag": True,
        "size": 7,
        "name": "n",
        "owner": "ann",
        "folder": 'Folder::"f"',
        "words": ["w"],
        "readers": {EntityUid("User", f"{POOL}|ann")},
        "at": {"host": "10.1.1.1"},
        "price": 1.5,
        "cost": Decimal(2),
        "made": "2026-11-24",
        "changed": datetime(2026, 1, 1, tzinfo=UTC),
        "kept": "1h",
    }

    table = PolicyTable({"ann": {}, "bob": {}}, {'File::"1"': {"attributes": attributes}})

    table.check("ann", "Read", 'File::"1"', "allow")
    table.check("bob", "Read", 'File::"1"', "deny")


def test_without_a_schema_entities_are_written_as_cedar_has_them(settings, tmp_path):
    """Text is text then, and an entity is one in Cedar's own JSON format, or an ``EntityUid``."""
    policy = '@id("own") permit (principal, action, resource) when { resource.owner == principal && context.on };'
    settings.AVP_POLICIES = write(tmp_path, policy, schema=None)
    ann = {"type": "PhotoFlash::User", "id": f"{POOL}|ann"}
    owners = {"1": {"__entity": ann}, "2": EntityUid("User", f"{POOL}|ann"), "3": f'User::"{POOL}|ann"'}
    entities = {f'Photo::"{number}"': {"attributes": {"owner": owner}} for number, owner in owners.items()}

    table = PolicyTable({"ann": {}}, entities)

    for number, expected in [("1", "allow"), ("2", "allow"), ("3", "deny")]:
        table.check("ann", "Any", f'Photo::"{number}"', expected, context={"on": True})


def test_the_pool_may_be_another(settings):
    """Policies that name groups of a pool are tested with it, whatever the settings name first."""
    settings.AVP_USER_POOLS = {"eu-west-1_Other0000": []}

    PolicyTable({"mia": {"groups": ["moderators"]}}).check("mia", "Moderate", None, "deny")
    PolicyTable({"mia": {"groups": ["moderators"]}}, pool=POOL).check("mia", "Moderate", None, "allow")


@pytest.mark.django_db
def test_a_model_instance_is_decided_as_the_site_decides_it(table, user):
    """With its attributes and the ancestors that policies look at, from the database."""
    account = Account.objects.create(name="Archive", slug="archive")
    album = Album.objects.create(title="old", account=account)
    stored = Photo.objects.create(owner=user("ann"), album=album)

    table.check("ann", "ViewPhoto", stored, "allow", policies=["owner"])
    table.check("ann", "EditPhoto", stored, "forbidden", policies=["archived"])

    Album.objects.filter(pk=album.pk).update(parent=album)
    looped = Photo.objects.create(owner=user("ann"), album=Album.objects.get(pk=album.pk))
    with pytest.raises(ValueError, match="cannot be decided about: cycle"):
        table.check("ann", "ViewPhoto", looped, "allow")


def test_each_case_is_announced(table):
    """Policy coverage counts what cases decide."""
    decisions = []

    def add(decision, **others):
        decisions.append(decision)

    policies_tested.connect(add)
    table.check("ann", "EditPhoto", DAWN, "allow")

    assert [decision.determining_policies for decision in decisions] == [("owner",)]


# What a failure says


def test_another_decision_is_told_with_the_policies_that_made_it(table):
    """With the place and the text of each."""
    with pytest.raises(AssertionError) as failed:
        table.check("mia", "DeletePhoto", DAWN, "deny")

    lines = str(failed.value).splitlines()
    assert lines[0] == "expected deny, decided permitted"
    assert lines[1].startswith("determined by moderators (")
    assert lines[1].endswith("photos.cedar:19)")
    assert lines[2] == '    @id("moderators")'


@pytest.mark.parametrize(
    ("action", "told"),
    [
        ("EditPhoto", "expected allow, decided not_permitted\ndetermined by no policy"),
        ("EditFoto", 'expected allow, decided undecided\nthe schema has no PhotoFlash::Action::"EditFoto"'),
        ("ListPhotos", "decided undecided\nthe action does not apply to the resource, or claims do not conform"),
    ],
)
def test_a_decision_of_no_policy_is_told(table, action, told):
    """What is misspelt is told apart from what is not permitted."""
    with pytest.raises(AssertionError) as failed:
        table.check("bob", action, DAWN, "allow")

    assert told in str(failed.value)


def test_the_right_decision_by_other_policies_fails(table):
    """Where the policies are named."""
    with pytest.raises(AssertionError, match="expected to be determined by moderators, owner\n"):
        table.check("ann", "DeletePhoto", DAWN, "allow", policies=["moderators", "owner"])
    with pytest.raises(AssertionError, match="expected to be determined by none\n"):
        table.check("ann", "DeletePhoto", DAWN, "allow", policies=[])


def test_a_policy_that_cannot_be_evaluated_fails_a_case(settings, tmp_path):
    """A forbid that is skipped is no clean allow; unless the case says that it expects this."""
    policy = """
    @id("all") permit (principal, action, resource);
    @id("bad") forbid (principal, action, resource) when { resource.nothing };
    """
    settings.AVP_POLICIES = write(tmp_path, policy, schema=None)
    table = PolicyTable({"ann": {}}, {DAWN: {}})

    table.check("ann", "Any", DAWN, "allow", errors=["bad"])
    with pytest.raises(AssertionError) as failed:
        table.check("ann", "Any", DAWN, "allow")

    lines = str(failed.value).splitlines()
    assert lines[0] == "expected policies that cannot be evaluated: none"
    assert [line for line in lines if line.startswith("cannot be evaluated: bad (")]
    assert "nothing" in lines[-1]


def test_a_policy_that_is_not_known_is_named():
    """An erring one that Cedar's message does not tell."""
    decision = Decision(Verdict.NOT_PERMITTED, errors=(UNKNOWN,))

    lines = list(told(load(conf.policies), EntityUid("Action", "EditPhoto"), decision))

    assert lines == ["cannot be evaluated: unknown", "determined by no policy"]


def test_no_claim_is_told():
    """A failure shows policies, and nothing that a token holds."""
    table = PolicyTable({"ann": {"claims": {"email": "secret@example.com"}}}, photo())

    with pytest.raises(AssertionError) as failed:
        table.check("ann", "EditPhoto", DAWN, "allow")

    assert "secret" not in str(failed.value)


# What is refused

REFUSED = [
    (photo(owner="zoe"), r'dawn"\.owner: \'zoe\' is not an entity id; .* It is none of the principals, either'),
    (photo(owner='Album::"1"'), r'owner: a PhotoFlash::User is needed, not PhotoFlash::Album::"1"'),
    (photo(owner=7), r"owner: 7 is not an entity id"),
    (photo(album="summer"), r"album: 'summer' is not an entity id; write Type::\"id\"\.$"),
    (photo(likes="7"), r"likes: a Long is needed, not '7'"),
    (photo(likes=True), r"likes: a Long is needed, not True"),
    (photo(title=2026), r"title: a String is needed, not 2026"),
    (photo(is_public="yes"), r"is_public: a Bool is needed, not 'yes'"),
    (photo(size="much"), r"size: a decimal is needed, not 'much'"),
    (photo(size=True), r"does not take its attributes"),
    (photo(size=Decimal("1.23456")), r"size: a decimal with more than 4 places"),
    (photo(tags="one"), r"tags: a list is needed, not 'one'"),
    (photo(tags=["one", 2]), r"tags\[1\]: a String is needed, not 2"),
    (photo(meta="x"), r"meta: attributes are needed, not 'x'"),
    (photo(meta={"colour": "red"}), r"meta may not have colour: the schema declares camera, flags"),
    (photo(taken="yesterday"), r'dawn": Cedar does not take its attributes'),
    (photo(colour="red"), r'dawn" may not have colour: the schema declares address, album'),
    (photo(taken=1.5), r"taken: Cedar has no float"),
    ({DAWN: {"attributes": {"likes": 0}}}, r'dawn" lacks commenters, which the schema requires'),
    ({DAWN: {"attributs": {}}}, r"dawn\": 'attributs' means nothing here. Known are attributes, parents"),
    ({DAWN: {"attributes": REQUIRED, "parents": ['Account::"a"']}}, r"PhotoFlash::Photo is not in PhotoFlash::Account"),
    ({DAWN: {"attributes": REQUIRED, "parents": ["summer"]}}, r"'summer' is not an entity id"),
    ({'Foto::"1"': {}}, r"the schema has no entity type PhotoFlash::Foto"),
    ({'User::"ann"': {}}, r"users and groups exist only as those who ask"),
    ({"dawn": {}}, r"'dawn' is not an entity id"),
    ({7: {}}, r'7 is not an entity id. Write Type::"id"'),
    ({'Photo::""': {}}, r"Amazon Verified Permissions takes no such id"),
    ({'Application::"default"': {"attributes": {"open": True}}}, r"may not have open: the schema declares nothing"),
]


@pytest.mark.parametrize(("entities", "message"), REFUSED)
def test_entities_conform_to_the_schema(entities, message):
    """One that does not is an error that names the entity, the attribute and the cause."""
    with pytest.raises(ValueError, match=message):
        PolicyTable({"ann": {}}, entities)


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (("zoe", "EditPhoto", DAWN), "'zoe' is no principal here. Known are ann, bob, mia"),
        (({"group": []}, "EditPhoto", DAWN), "principal: 'group' means nothing here. Known are sub, groups, claims"),
        (
            ("ann", "EditPhoto", 'Photo::"dwan"'),
            r'Photo::"dwan" is no entity here. Known are PhotoFlash::Photo::"dawn"',
        ),
    ],
)
def test_what_is_not_in_the_table_is_not_asked_about(table, case, message):
    """A misspelt principal or resource would be denied, and the test would prove nothing."""
    with pytest.raises(ValueError, match=message):
        table.check(*case, "deny")


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ({"mfa": "yes"}, r"context\.mfa: a Bool is needed, not 'yes'"),
        ({"mfaa": True}, "context may not have mfaa"),
        ({"token": {}}, "Give them to the principal"),
    ],
)
def test_a_context_conforms_to_the_schema(table, context, message):
    """As far as it is the test's own."""
    with pytest.raises(ValueError, match=message):
        table.check("ann", "EditPhoto", DAWN, "allow", context=context)


def test_principals_are_what_a_token_may_say(table):
    """One with other keys, or with claims that no token has, is refused."""
    with pytest.raises(ValueError, match="ann: sub, groups, claims are needed, not 'editors'"):
        PolicyTable({"ann": "editors"})
    with pytest.raises(TokenInvalidError, match="not a list of names"):
        PolicyTable({"ann": {"groups": "editors"}})
    with pytest.raises(TokenInvalidError):
        table.check({"groups": []}, "EditPhoto", DAWN, "deny")


def test_what_is_expected_is_an_answer(table):
    """Another word is a mistake in the test."""
    with pytest.raises(ValueError, match="'allowed' is nothing that can be expected. Write one of allow, deny, permit"):
        table.check("ann", "EditPhoto", DAWN, "allowed")


def test_policies_that_do_not_parse_are_told(settings, tmp_path):
    """With their place, before anything is decided."""
    settings.AVP_POLICIES = write(tmp_path, "permit (principal")

    with pytest.raises(PolicyError, match=r"policies\.cedar:1"):
        PolicyTable({}, {DAWN: {}})
