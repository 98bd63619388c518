"""Steps for what Django 6 has and Django 5.2 has not, so that they are proved on both."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.template import Engine

from django_avp.planning import compiling
from django_avp.planning.compiling import compiled
from django_avp.planning.inclusion import Partial
from django_avp.planning.reading import Reader
from django_avp.planning.scope import Scope
from django_avp.planning.steps import Step
from django_avp.planning.walk import Walk

ENGINE = Engine(builtins=["django_avp.templatetags.avp"])


def walked(*steps, **names):
    walk = Walk(ENGINE, compiled, Scope(names), Reader())
    if walk.asks(steps):
        walk.run(steps)
    return [question.action for question in walk.questions]


@pytest.fixture
def partial():
    """A node as ``{% partial %}`` makes it."""
    return SimpleNamespace(partial_name="p", partial_mapping={"p": ENGINE.from_string('{% can "A" %}{% endcan %}')})


def test_a_partial_is_its_template(partial):
    """Where it is shown; one that is not defined is rendering's error."""
    assert walked(*compiling._partial(partial)) == ["A"]
    partial.partial_name = "nowhere"
    assert walked(Partial(partial)) == []
    walk = Walk(ENGINE, compiled, Scope(), Reader())
    walk.run([Partial(partial)])
    assert walk.questions == []


def test_a_definition_shows_itself_only_inline(partial):
    """Whoever wants it elsewhere calls it."""
    node = SimpleNamespace(inline=True, nodelist=partial.partial_mapping["p"].nodelist)
    assert walked(*compiling._partial_definition(node)) == ["A"]
    node.inline = False
    assert walked(*compiling._partial_definition(node)) == []


def test_a_step_by_itself_does_nothing():
    """What it does is its subclasses' affair."""
    assert Step().take(Walk(ENGINE, compiled, Scope(), Reader())) is None
