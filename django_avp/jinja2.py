"""The Jinja2 side of ``{% can %}``: a global function ``can``.

Put it into the environment that ``TEMPLATES`` names: ``env.globals["can"] = django_avp.jinja2.can``, or let
:func:`environment` make one.
"""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, pass_context
from jinja2.runtime import Context

from django_avp.cedar import Decision
from django_avp.recording import Place
from django_avp.templating import Question, decide_in_template

__all__ = ["can", "environment"]


@pass_context
def can(jinja_context: Context, action: str, *resource: Any, **context: Any) -> Decision:
    """Decide whether the request's principal may do ``action``: ``{% if can("EditPhoto", photo) %}``.

    What a template of Jinja2 will ask cannot be known before it is rendered: collect it in the view.

    Args:
        jinja_context: given by Jinja2; the request is read from it.
        action: the Cedar action.
        resource: a registered model instance or an entity id; none for the application.
        context: the check's Cedar context.

    Raises:
        TypeError: there is more than one resource.
    """
    if len(resource) > 1:
        raise TypeError("can() takes an action, at most one resource, then context as key=value.")
    question = Question(action, resource, Place(jinja_context.name), context)
    return decide_in_template(jinja_context.get("request"), question)


def environment(**options: Any) -> Environment:
    """Make a Jinja2 environment with ``can`` in it, for ``TEMPLATES[…]["OPTIONS"]["environment"]``."""
    env = Environment(**options)  # noqa: S701 - Django's Jinja2 backend passes autoescape=True
    env.globals["can"] = can
    return env
