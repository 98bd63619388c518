"""Whom the policies let do something: groups, users, everybody, and on what conditions."""

from __future__ import annotations

import json

import pytest

from django_avp.cedar import EntityUid
from django_avp.exceptions import AvpError
from django_avp.explanation import actions_on, who_may
from django_avp.runtime import runtime
from tests.conftest import POOL
from tests.explanation.engines import Silent, Unreadable, deciding
from tests.testapp.models import Account, Album, Tag

pytestmark = pytest.mark.django_db

NS = "PhotoFlash::"
GROUP = f'{NS}Group::"{POOL}|staff"'
ANN = f'{NS}User::"{POOL}|ann"'
BOB = f'{NS}User::"{POOL}|bob"'


def told(who):
    """What is told of the policies, without their places."""
    return [
        (grant.policy_id, grant.effect, str(grant.whom) if grant.whom else None, grant.conditions)
        for grant in who.grants
    ]


def test_groups_users_and_everybody_are_told_with_forbids_last(photo, user):
    """The owner of the photo is found in the database; what cannot apply to it is left out."""
    who = who_may("ViewPhoto", photo)

    assert told(who) == [
        ("owner", "permit", ANN, ()),
        ("suspended", "forbid", f'{NS}Group::"{POOL}|suspended"', ()),
    ]
    assert who.errors == ()
    assert str(who).splitlines() == [
        f'Who may {NS}Action::"ViewPhoto" on {NS}Photo::"{photo.pk}"',
        f"  {ANN} (permit owner, tests/policies/photos.cedar:{who.grants[0].place.rpartition(':')[2]})",
        "",
        "But not",
        f'  {NS}Group::"{POOL}|suspended" (forbid suspended, {who.grants[1].place})',
    ]


def test_a_link_is_for_whom_it_names(photo):
    """Its place is its own."""
    photo.album = Album.objects.create(account=Account.objects.create(slug="shared"), is_public=True)
    photo.save()
    found = {grant.policy_id: grant for grant in who_may("ViewPhoto", photo).grants}

    assert str(found["shared-with-sue"].whom) == f'{NS}User::"{POOL}|sue"'
    assert found["shared-with-sue"].place == "tests/policies/template-links.json:4"
    assert (found["public-album"].whom, found["public-album"].conditions) == (None, ())


def test_a_condition_that_is_about_the_principal_stays(photo, user):
    """In Cedar's syntax; what is known of the resource and the context is settled."""
    policies = f"""permit (principal in {GROUP}, action, resource) when {{ principal.level > 3 && context.mfa }};
permit (principal is {NS}User, action, resource) when {{ {BOB} == principal || principal in {GROUP} }};
permit (principal, action, resource) when {{ false && principal == {BOB} }};
permit (principal, action, resource) when {{ resource.album.title == "x" }};
forbid (principal, action, resource) unless {{ principal has email && principal == resource.owner }};
permit (principal, action, resource) when {{ {NS}User::"other" == resource.owner || principal.level == 2 }};
permit (principal, action, resource) when {{ resource.likes == 0 && {BOB}.level == 2 }};
permit (principal, action, resource) when {{ principal == resource.title }};
permit (principal, action, resource) when {{ principal in [{GROUP}, {BOB}] && resource.viewers.contains(principal) }};
permit (principal, action, resource) when {{ resource.tags.contains(principal) }};
permit (principal, action, resource) when {{ [{{a: 1}}].contains(principal.a) }};
"""
    photo.viewers.set([user("bob")])
    photo.tags.set([Tag.objects.create(name="x")])
    with deciding(policies):
        who = who_may("ViewPhoto", photo, {"mfa": True})

    assert told(who) == [
        ("p0", "permit", GROUP, ("principal.level > 3",)),
        ("p1", "permit", BOB, ()),
        ("p1", "permit", GROUP, ()),
        ("p10", "permit", None, ("[{a: 1}].contains(principal.a)",)),
        ("p5", "permit", None, ("principal.level == 2",)),
        ("p6", "permit", None, (f"{BOB}.level == 2",)),
        ("p7", "permit", None, ('principal == "dawn"',)),
        ("p8", "permit", BOB, (f"principal in {GROUP}",)),
        ("p8", "permit", BOB, ()),
        ("p9", "permit", None, ('["x"].contains(principal)',)),
        ("p4", "forbid", None, (f"!((principal has email) && (principal == {ANN}))",)),
    ]
    assert who.errors == ("p3",)
    text = str(who)
    assert f"  {GROUP} (permit p0, policies.cedar:1)\n    if `principal.level > 3`\n" in text
    assert "  everybody (permit p5" in text
    assert text.endswith("Policies that cannot be evaluated\n  p3")


def test_policies_about_other_actions_are_left_out_without_a_schema(photo):
    """An action is in no group then, and only equal to itself."""
    actions = [f'{NS}Action::"ViewPhoto"', f'{NS}Action::"EditPhoto"']
    with deciding("".join(f"permit (principal, action in [{action}], resource);\n" for action in actions)):
        assert told(who_may("ViewPhoto", photo)) == [("p0", "permit", None, ())]


def test_more_alternatives_than_people_read_stay_one_condition(photo):
    """64 of them would be, if they were multiplied out."""
    condition = " && ".join(f"(principal.a{number} || principal.b{number})" for number in range(6))
    with deciding(f"permit (principal, action, resource) when {{ {condition} && principal.c && principal.d }};\n"):
        who = who_may("ViewPhoto", photo)

    (grant,) = who.grants
    assert len(grant.conditions) < 6
    assert "principal.d" in str(grant.conditions)
    assert str(who).splitlines()[1].startswith("  everybody (permit p0, ")
    assert "But not" not in str(who)


def test_nobody_is_an_answer(photo):
    """Where no policy permits it."""
    with deciding("forbid (principal, action, resource);\n"):
        assert "  nobody\n" in str(who_may("ViewPhoto", photo))


def test_json_round_trips(photo):
    """It is the whole answer."""
    form = who_may("ViewPhoto", photo).as_json()

    assert json.loads(json.dumps(form)) == form
    assert form["grants"][0]["whom"] == ANN
    assert form["resource"] == f'{NS}Photo::"{photo.pk}"'


@pytest.mark.parametrize(
    ("action", "resource", "context", "message"),
    [
        ("ViewFoto", None, None, "Did you mean"),
        ("ViewPhoto", None, None, "does not apply"),
        ("ListPhotos", None, {"other": 1}, "Cedar refuses the context: it may not have other."),
        ("ViewPhoto", EntityUid("Photo", "7"), None, "not in the database"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_cure(action, resource, context, message):
    """As a decision would be."""
    with pytest.raises(AvpError, match=message):
        who_may(action, resource, context)


def test_entities_that_do_not_conform_are_told(photo):
    """As a decision tells them."""
    schema = """namespace PhotoFlash { entity Group; entity User in [Group]; entity Photo;
        action ViewPhoto appliesTo { principal: User, resource: Photo };
    }"""
    with deciding("permit (principal, action, resource);\n", schema), pytest.raises(AvpError, match="may not have"):
        who_may("ViewPhoto", photo)


def test_policies_that_are_not_known_tell_nobody(photo):
    """The message says what keeps them back."""
    with runtime.use_engine(Silent()), pytest.raises(AvpError, match="does not tell the policies"):
        who_may("ViewPhoto", photo)
    with runtime.use_engine(Unreadable()), pytest.raises(AvpError, match="not read yet"):
        actions_on(f"{NS}User", f"{NS}Photo")


def test_actions_are_the_schemas_or_those_that_policies_name():
    """Groups of actions apply to nothing, so a schema leaves them out."""
    found = [action.id for action in actions_on(f"{NS}User", f"{NS}Photo")]
    assert found == ["DeletePhoto", "EditPhoto", "Moderate", "ViewPhoto", "photos.publish_photo"]
    with deciding(f'permit (principal, action == {NS}Action::"B", resource == {NS}Album::"1");\n'):
        assert [action.id for action in actions_on(f"{NS}User", f"{NS}Photo")] == ["B"]
