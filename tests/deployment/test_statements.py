"""Statements as items: the ``@id`` that they are written with, and the ids of what stands in for them."""

from __future__ import annotations

import pytest

from django_avp.deployment.items import is_reserved, marked, name_of
from django_avp.deployment.statements import with_id
from tests.deployment.support import _cedar

REST = "permit (principal, action, resource);"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (REST, f'@id("x")\n{REST}'),
        (f'@id("y") {REST}', f'@id("x") {REST}'),
        (f'@id ( "y" )\n{REST}', f'@id("x")\n{REST}'),
        (f"@id {REST}", f'@id("x") {REST}'),
        (f'@identity("y")\n{REST}', f'@id("x")\n@identity("y")\n{REST}'),
        (f'@note("@id(\\"y\\")")\n{REST}', f'@id("x")\n@note("@id(\\"y\\")")\n{REST}'),
        (f'// @id("y")\n  // more\n{REST}', f'// @id("y")\n  // more\n@id("x")\n{REST}'),
        (f"\r\n// why\r\n{REST}\r\n", f'// why\n@id("x")\n{REST}'),
        (f'@note("a")\n@id("y")\n{REST}', f'@note("a")\n@id("x")\n{REST}'),
    ],
)
def test_a_statement_is_written_with_its_id(text, written):
    """Where it has one already, else before everything but the comments; writing it again changes nothing."""
    assert with_id(text, "x") == written
    assert with_id(written, "x") == written
    assert _cedar(written)["annotations"]["id"] == "x"


def test_an_id_is_quoted_as_cedar_does():
    """Whatever is in it."""
    text = with_id(REST, 'a "b" \\ \n')
    assert _cedar(text)["annotations"]["id"] == 'a "b" \\ \n'


@pytest.mark.parametrize("item_id", ["a/b-c_d", "A" * 145])
def test_g2_an_id_that_can_be_a_name_is_one(item_id):
    """With the service's prefix."""
    assert name_of(item_id) == f"name/{item_id}"


@pytest.mark.parametrize("item_id", ["", "a b", "é", "A" * 146, "a.b"])
def test_g2_an_id_that_cannot_be_a_name_is_none(item_id):
    """The service's pattern and length."""
    assert name_of(item_id) == ""


@pytest.mark.parametrize("item_id", ["x", "é \n", "A" * 145])
def test_what_stands_in_for_something_has_an_id_that_is_a_name(item_id):
    """One that nothing has yet, and that no directory may have."""
    first = marked(item_id, "guard", ())
    second = marked(item_id, "guard", {first})
    assert second == f"{first}-2"
    assert all(name_of(one) and is_reserved(one) for one in (first, second))


def test_ids_that_look_alike_are_not_reserved():
    """Only the ends of ids are."""
    assert not any(map(is_reserved, ("guard", "x--guarded", "a--old--b", "x-old")))
