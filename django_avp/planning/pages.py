"""Where planning happens: before a response is rendered, and in the middle of rendering at the first tag that asks."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.template import Engine, RequestContext, engines, loader
from django.template.backends.django import DjangoTemplates
from django.template.backends.django import Template as BackendTemplate
from django.template.response import SimpleTemplateResponse

from django_avp.authorization import asker_of
from django_avp.cedar import Check
from django_avp.conf import conf
from django_avp.planning.compiling import compiled
from django_avp.planning.errors import leave_to_rendering
from django_avp.planning.reading import Reader
from django_avp.planning.scope import Scope
from django_avp.planning.walk import Walk, is_free
from django_avp.templating import CheckNode

if TYPE_CHECKING:
    from django_avp.authorization import Authorization

__all__ = ["load", "plan_rendering", "plan_response", "plan_template"]

logger = logging.getLogger("django_avp")

_MARK = "django_avp.planned"


def plan_template(
    authorization: Authorization, template: Any, names: Mapping[str, Any], *, before_gate: bool = False
) -> None:
    """Collect what a template will ask.

    Args:
        authorization: the request's.
        template: a template as Django's loader returns it; one of another backend than Django's is not planned.
        names: its context, as far as it is known. Context processors do not run.
        before_gate: whether the gate has not decided yet: the context is not complete, and no code of the project runs.
    """
    if not isinstance(template, BackendTemplate) or not conf.planning:
        return
    page = template.template
    scope = Scope(names, is_open=before_gate or not _is_complete(page.engine))
    walk = Walk(page.engine, compiled, scope, Reader(is_early=before_gate))
    _collect(authorization, walk, lambda: walk.enter(page))


def load(names: str | Sequence[str], using: str | None = None) -> Any:
    """The first template of these names, as Django's loader returns it; ``None`` if planning cannot have it."""
    try:
        backends = [backend for backend in engines.all() if isinstance(backend, DjangoTemplates)]
        if not all(is_free(one) for backend in backends for one in backend.engine.template_loaders):
            return None
        return loader.select_template([names] if isinstance(names, str) else names, using=using)
    except Exception as error:
        leave_to_rendering(error)
        return None


def plan_response(request: Any, response: Any) -> None:
    """Collect what a response that is not rendered yet will ask."""
    kind = type(response)
    is_djangos = isinstance(response, SimpleTemplateResponse) and all(
        getattr(kind, name) is getattr(SimpleTemplateResponse, name) for name in _RENDERING
    )
    authorization = getattr(getattr(response, "_request", None), "avp", None)
    if not is_djangos or response.is_rendered or authorization is None or not conf.planning:
        return
    named, context = response.template_name, response.context_data or {}
    template = load(named, response.using) if isinstance(named, str | list | tuple) else named
    if isinstance(context, dict):
        plan_template(authorization, template, {"request": request, **context})


# A subclass that renders in its own way makes its own context.
_RENDERING = ("rendered_content", "resolve_template", "resolve_context")
_COMPLETE = {"django.template.context_processors.csrf", "django.template.context_processors.request"}


def _is_complete(engine: Engine) -> bool:
    """Whether context processors add no other names than the request and the CSRF token."""
    processors = engine.template_context_processors
    return {f"{processor.__module__}.{processor.__qualname__}" for processor in processors} <= _COMPLETE


def plan_rendering(node: CheckNode, context: Any, authorization: Authorization, check: Check) -> bool:
    """Plan the page that is being rendered, at a check that nobody expected.

    First the whole page, once. What that does not find is in a part whose names come from elsewhere, such as an
    inclusion tag: the rest of that part is planned by itself, so that it costs one round and not one for every check.

    Returns:
        Whether the check is a part of the page as planned.
    """
    if not conf.planning:
        return True
    # A tag may render its content with a context that belongs to no template.
    if context.template is None:
        return False
    engine = context.template.engine
    kept = _kept(context)
    if not kept.get(_MARK):
        kept[_MARK] = True
        walk = Walk(engine, compiled, _names_of_page(context), Reader())
        _collect(authorization, walk, lambda: walk.enter(context.template))
        if authorization.expects(check):
            return True
    part = Walk(engine, compiled, Scope(*context.dicts), Reader())

    def begin() -> None:
        compiled(context.render_context.template)
        part.run(node.rest)

    _collect(authorization, part, begin)
    return False


def _kept(context: Any) -> dict[Any, Any]:
    """What a page keeps for all its templates, where ``{% include %}`` keeps what it has loaded."""
    kept: dict[Any, Any] = context.render_context.dicts[0]
    return kept


def _names_of_page(context: Any) -> Scope:
    """The names that the page began with, before its tags added theirs."""
    page = _context_of_page(context)
    # Django's built-in names and the context; in a request's, also the processors' and the modifications.
    return Scope(*page.dicts[: 4 if isinstance(page, RequestContext) else 2])


def _context_of_page(context: Any) -> Any:
    """The context that the page is rendered with, seen from a part of it.

    ``{% include … only %}`` and inclusion tags give their templates a copy without the page's names, from which no way
    leads back. But the page is being rendered, so its context is further up the stack.
    """
    frame = inspect.currentframe()
    while frame is not None and not _is_of_page(context):
        other = frame.f_locals.get("context") if frame.f_code.co_name == "render" else None
        if isinstance(other, RequestContext) and _kept(other) is _kept(context):
            context = other
        frame = frame.f_back
    return context


def _is_of_page(context: Any) -> bool:
    # Django takes this from copies that lack what context processors gave.
    return not isinstance(context, RequestContext) or hasattr(context, "_processors_index")


def _collect(authorization: Authorization, walk: Walk, begin: Callable[[], None]) -> None:
    """Take a walk, and collect what it found."""
    try:
        begin()
    except Exception as error:
        leave_to_rendering(error)
        # A page that cannot be planned is rendered all the same.
        extra = {"error": type(error).__name__, "checks": len(walk.questions)}
        logger.warning("avp.planning_stopped", extra=extra)
    if not walk.questions or not _has_context(authorization):
        return
    for question in walk.questions:
        try:
            check = authorization.check(question.action, question.resource, question.context)
            if check is not None:
                authorization.add(check, question.place)
        except Exception as error:  # the tag raises it, where it stands
            leave_to_rendering(error)


def _has_context(authorization: Authorization) -> bool:
    """Whether ``AVP_CONTEXT`` gives one: where it fails, it is not asked again for every question."""
    try:
        asker_of(authorization).context()
    except Exception as error:
        leave_to_rendering(error)
        return False
    return True
