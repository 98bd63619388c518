"""The template tag ``{% can %}``."""

from __future__ import annotations

from functools import partial

from django import template
from django.template.base import NodeList, Parser, Token, token_kwargs
from django.template.context import Context

from django_avp.cedar import Decision
from django_avp.planning import plan_rendering
from django_avp.templating import CheckNode, Question, decide_in_template

__all__ = ["CanNode", "register"]

register = template.Library()


class CanNode(CheckNode):
    """A check in a template: shows one of two parts, or puts the decision into a variable."""

    def render(self, context: Context) -> str:
        """Render the part that the decision chooses."""
        decision = self.decide(context)
        if self.variable is not None:
            context[self.variable] = decision
            return ""
        return (self.nodelist_true if decision else self.nodelist_false).render(context)

    def decide(self, context: Context) -> Decision:
        """Decide the tag's check in a context, together with all that the page will ask."""
        request = getattr(context, "request", None) or context.get("request")
        resources = tuple(resource.resolve(context, ignore_failures=True) for resource in self.resources)
        keywords = {name: value.resolve(context) for name, value in self.keywords.items()}
        question = Question(self.action.resolve(context), resources, self.place, keywords)
        return decide_in_template(request, question, partial(plan_rendering, self, context))


@register.tag
def can(parser: Parser, token: Token) -> CanNode:
    """Show a part of the page only to those who may do something.

    ::

        {% can "EditPhoto" photo %}…{% else %}…{% endcan %}
        {% can "DeletePhoto" photo as may_delete %}
        {% can "CreateAlbum" %}…{% endcan %}
        {% can "ViewPhoto" photo preview=True %}…{% endcan %}

    The resource is a registered model instance or an entity id, and without one the application; keywords are the
    check's context. The variable of the second form is the decision, which is true when permitted.
    """
    tag, *bits = token.split_contents()
    variable = None
    if len(bits) >= 2 and bits[-2] == "as":
        variable = bits[-1]
        bits = bits[:-2]
    if not bits:
        raise template.TemplateSyntaxError(f'{{% {tag} %}} takes an action: {{% {tag} "EditPhoto" photo %}}.')
    action, *rest = bits
    resources = []
    while rest and not _is_keyword(rest[0]):
        resources.append(parser.compile_filter(rest.pop(0)))
    keywords = token_kwargs(rest, parser)
    if len(resources) > 1 or rest:
        raise template.TemplateSyntaxError(
            f"{{% {tag} %}} takes an action, at most one resource, then context as key=value; not {token.contents!r}."
        )
    nodelist_true, nodelist_false = (NodeList(), NodeList()) if variable else _parts(parser)
    return CanNode(parser.compile_filter(action), tuple(resources), keywords, variable, nodelist_true, nodelist_false)


def _is_keyword(bit: str) -> bool:
    name, equals, _ = bit.partition("=")
    return bool(equals) and name.isidentifier()


def _parts(parser: Parser) -> tuple[NodeList, NodeList]:
    nodelist_true = parser.parse(("else", "endcan"))
    nodelist_false = NodeList()
    if parser.next_token().contents == "else":
        nodelist_false = parser.parse(("endcan",))
        parser.delete_first_token()
    return nodelist_true, nodelist_false
