"""Which references policies follow."""

from __future__ import annotations

import json

import cedarpy
import pytest

from django_avp.cedar import EntityUid
from django_avp.references import EVERYTHING, References

ALBUM = EntityUid("Album", "x")


def references_of(*conditions, scope="principal, action, resource"):
    text = "".join(f"permit ({scope}) when {{ {condition} }};" for condition in conditions)
    return References.of(json.loads(cedarpy.policies_to_json_str(text)))


def paths_of(condition):
    return {(root, *path) for root, paths in references_of(condition).paths.items() for path in paths}


RESOURCE = ("resource",)
ALBUM_OF = ("resource", "album")

READS = [
    ("resource.is_public", {RESOURCE}),
    ("resource.album.is_public", {RESOURCE, ALBUM_OF}),
    ("resource has album", {RESOURCE}),
    ("resource has album.parent.title", {RESOURCE, ALBUM_OF, (*ALBUM_OF, "parent")}),
    ('resource["album"]["is public"]', {RESOURCE, ALBUM_OF}),
    ('resource.hasTag("a") && resource.getTag("a").album.x', {RESOURCE, ("resource", ""), ("resource", "", "album")}),
    ("resource in context.album", {RESOURCE, ("context",)}),
    ("context.album in Account::\"a\"", {("context",), ("context", "album")}),
    ("context.a.b.is_public", {("context",), ("context", "a"), ("context", "a", "b")}),
    ("resource is Photo", set()),
    ("resource is Photo in context.album", {RESOURCE, ("context",)}),
    ("resource.album == context.album", {RESOURCE, ("context",)}),
    ("resource.viewers.contains(context.album.owner)", {RESOURCE, ("context",), ("context", "album")}),
    ('Album::"x".is_public', {(ALBUM,)}),
    ('Album::"x".parent.is_public', {(ALBUM,), (ALBUM, "parent")}),
    ('Album::"x" in Account::"a"', {(ALBUM,)}),
    ('resource in Album::"x"', {RESOURCE}),
    ('[Album::"x", resource.album].contains(resource)', {RESOURCE}),
    ("(if resource.is_public then resource.album else Album::\"x\").is_public", {RESOURCE, ALBUM_OF, (ALBUM,)}),
    ("{a: resource.album}.a.is_public", {RESOURCE, ALBUM_OF}),
    ("{a: {b: resource.album}}.a.b.is_public", {RESOURCE, ALBUM_OF}),
    ('{a: Album::"x"}.a.parent.is_public', {(ALBUM,), (ALBUM, "parent")}),
    ("(if true then {a: resource.album} else {a: Album::\"x\"}).a.is_public", {RESOURCE, ALBUM_OF, (ALBUM,)}),
    ("{a: if true then {b: resource.album} else {b: context.album}}.a.b.title",
     {RESOURCE, ("context",), ALBUM_OF, ("context", "album")}),
    ("{a: 1} == resource.meta && {a: resource.album} has a", {RESOURCE}),
    ("!(resource.album.a || -resource.album.n > 1) && resource.name like \"x*\"", {RESOURCE, ALBUM_OF}),
    ('ip(resource.album.address).isInRange(ip("10.0.0.0/8"))', {RESOURCE, ALBUM_OF}),
    ("[resource.album.title].containsAny([context.album.title])",
     {RESOURCE, ALBUM_OF, ("context",), ("context", "album")}),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "paths"), READS, ids=[condition for condition, _ in READS])
def test_what_a_condition_reads(condition, paths):
    """An entity has to exist where its attributes or ancestors are looked at, and nowhere else."""
    assert paths_of(condition) == paths


def test_templates_and_every_policy_count():
    """The references of a set are those of all its policies, templates too."""
    document = json.loads(
        cedarpy.policies_to_json_str(
            "permit (principal == ?principal, action, resource) when { resource.album.is_public };"
            "forbid (principal, action, resource) unless { resource.owner.active };"
        )
    )

    assert References.of(document).paths == {"resource": frozenset({(), ("album",), ("owner",)})}


def test_steps_lead_on_only_where_something_reads():
    """A step is taken when a path goes over it or ends there."""
    references = references_of("resource.album.parent.title", "resource.meta.near.title")

    assert references.step("resource", (), ("album",)) == ("album",)
    assert references.step("resource", ("album",), ("parent",)) == ("album", "parent")
    assert references.step("resource", (), ("meta", "near")) == ("meta", "near")
    assert references.step("resource", (), ("parent",)) is None
    assert references.step("resource", ("album", "parent"), ("parent",)) is None
    assert references.step("context", (), ("album",)) is None
    assert references.length == 2
    assert references_of("true").length == 0


def test_where_policies_are_not_known_every_step_is_taken():
    """An engine that cannot tell its policies may read anything."""
    assert EVERYTHING.step("resource", (), ("album",)) is not None
    assert EVERYTHING.length is None
    assert EVERYTHING.named_entities() == ()


def test_named_entities_are_those_that_are_read():
    """A literal that is only compared does not have to exist."""
    references = references_of('Album::"x".title == "a" && resource == Album::"y"', "resource.title == context.title")

    assert references.named_entities() == (ALBUM,)
