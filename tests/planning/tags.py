"""Tags of a project: those that planning cannot know."""

from __future__ import annotations

from django import template

register = template.Library()


@register.inclusion_tag("card.html", takes_context=True)
def card(context, photo):
    """Shows another template, with names that only its function knows."""
    return {"request": context["request"], "item": photo}


@register.simple_tag
def first_of(rows):
    """Gives something that planning will not compute."""
    return rows[0]


@register.simple_tag(takes_context=True)
def setting(context, value):
    """Sets a name that nobody could know of."""
    context["surprise"] = value
    return ""


class Wrapped(template.Node):
    """Shows what is inside of it twice."""

    def __init__(self, nodelist):
        self.nodelist = nodelist

    def render(self, context):
        return self.nodelist.render(context) * 2


@register.tag
def twice(parser, token):
    """A tag with a node list."""
    nodelist = parser.parse(("endtwice",))
    parser.delete_first_token()
    return Wrapped(nodelist)
