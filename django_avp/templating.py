"""What a template asks: one question behind the ``{% can %}`` tag and Jinja2's ``can()``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.db import models
from django.template import Node
from django.template.base import FilterExpression, NodeList

from django_avp.cedar import INVALID, UNIDENTIFIED, Check, Decision, EntityUid
from django_avp.recording import Place

if TYPE_CHECKING:
    from django_avp.authorization import Authorization

__all__ = ["CheckNode", "Question", "decide_in_template"]

logger = logging.getLogger("django_avp")


@dataclass(frozen=True, slots=True)
class Question:
    """What a template asks about.

    Attributes:
        action: the Cedar action.
        resources: the resource that is named, or nothing for the application.
        place: where it stands.
        context: the check's Cedar context; it may hold request data and stays out of ``repr``.
    """

    action: Any
    resources: tuple[Any, ...]
    place: Place
    context: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def resource(self) -> Any:
        """The resource as :meth:`Authorization.can` takes it."""
        return self.resources[0] if self.resources else None


class CheckNode(Node):
    """A node that asks one question and shows one of two parts, or puts the decision into ``variable``.

    Attributes:
        rest: the steps of planning from here to the end of the surrounding part, once its template was planned.
    """

    child_nodelists = ("nodelist_true", "nodelist_false")
    rest: tuple[Any, ...] = ()

    def __init__(
        self,
        action: FilterExpression,
        resources: tuple[FilterExpression, ...],
        keywords: dict[str, FilterExpression],
        variable: str | None,
        nodelist_true: NodeList,
        nodelist_false: NodeList,
    ) -> None:
        self.action = action
        self.resources = resources
        self.keywords = keywords
        self.variable = variable
        self.nodelist_true = nodelist_true
        self.nodelist_false = nodelist_false

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.action}>"

    @property
    def place(self) -> Place:
        """Where the node stands."""
        origin: Any = self.origin
        token: Any = self.token
        return Place(origin.template_name or origin.name, token.lineno)


def decide_in_template(
    request: Any,
    question: Question,
    is_planned: Callable[[Authorization, Check], bool] = lambda authorization, check: False,
) -> Decision:
    """Answer a template's question by the request's authorization.

    Without a request nobody is identified; a resource that is named and missing is not the application. Both deny.

    Args:
        request: the request, which may be none.
        question: what is asked.
        is_planned: called with a check that nobody expected; plans what else will be asked, and tells whether the
            check turned out to be a part of it.
    """
    authorization: Authorization | None = getattr(request, "avp", None)
    if authorization is None:
        logger.warning("avp.template_without_request", extra={"action": question.action})
        return UNIDENTIFIED
    if any(not isinstance(resource, models.Model | EntityUid) for resource in question.resources):
        logger.warning("avp.template_without_resource", extra={"action": question.action})
        return INVALID
    check = authorization.check(question.action, question.resource, question.context)
    if check is None:
        return INVALID
    place = question.place
    if authorization.expects(check) or is_planned(authorization, check):
        return authorization.answer(check, place=place)
    logger.warning(
        "avp.unplanned_check", extra={"action": check.action.id, "template": place.template, "line": place.line}
    )
    return authorization.answer(check, place=place, is_planned=False)
