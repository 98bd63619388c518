"""What the template of a generic view is given, known before the view runs (rule D1).

Of the view's own code run only ``get_object``, ``get_queryset`` and what pages are made with, once each: the view finds
what they returned; rows are found anew where the view has set something since. ``get_context_data`` does not run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from typing import TYPE_CHECKING, Any

from django.views.generic import View
from django.views.generic.base import TemplateResponseMixin, TemplateView
from django.views.generic.detail import SingleObjectMixin
from django.views.generic.edit import BaseCreateView
from django.views.generic.list import BaseListView

from django_avp.conf import conf
from django_avp.gates import authorization_of
from django_avp.planning.errors import leave_to_rendering
from django_avp.planning.pages import load, plan_template
from django_avp.planning.scope import UNKNOWN, Later

if TYPE_CHECKING:
    from django_avp.authorization import Authorization

__all__ = ["begin_view", "fetch_object", "plan_view"]


def fetch_object(view: Any) -> Any:
    """The object of a view, which the view will not fetch again."""
    return _remembered(view, "get_object")


def plan_view(view: View, authorization: Authorization, more: Callable[[], Mapping[str, Any]]) -> None:
    """Collect what the template of a view will ask, as far as it is known before the view runs.

    Only for requests that show the page: what a POST shows is known when it has been handled.

    Args:
        view: a view that is set up.
        authorization: the request's.
        more: more names of the template's context, made if the template is planned.
    """
    is_shown = conf.planning and view.request.method in ("GET", "HEAD")
    if not is_shown or not isinstance(view, TemplateResponseMixin) or not _is_djangos(view, "get_template_names"):
        return
    try:
        names, template_names = _shown(view)
    except Exception as error:
        # The view raises it, once the gate has let the request in.
        leave_to_rendering(error)
        return
    template = load(template_names, view.template_engine)
    if template is not None:
        extra = getattr(view, "extra_context", None) or {}
        names = {"request": view.request, "view": view, **names, **extra, **more()}
        plan_template(authorization, template, names, before_gate=True)


def _shown(view: Any) -> tuple[dict[str, Any], list[str]]:
    """The names that a view gives to its template, and those of the template."""
    # A copy, because to name its template a view needs what it has only once it runs.
    asked = copy(view)
    names: dict[str, Any] = dict(view.kwargs) if isinstance(view, TemplateView) else {}
    if isinstance(view, BaseListView):
        asked.object_list = _remembered(view, "get_queryset", lambda: _is_as_begun(view))
        names = _list_names(view, asked.object_list)
    elif isinstance(view, BaseCreateView):
        asked.object = None
    elif isinstance(view, SingleObjectMixin):
        asked.object = fetch_object(view)
        names = {"object": asked.object, **_named(view, asked.object, asked.object)}
    return names, asked.get_template_names()


def _list_names(view: Any, queryset: Any) -> dict[str, Any]:
    """The names of a page of rows, which is made only if the template has use for it."""
    made: list[Any] = []

    def part(position: int) -> Callable[[], Any]:
        def make() -> Any:
            if not made:
                made.append(_page(view, queryset))
            return made[0][position]

        return make

    paginator, page, rows, is_paginated = (Later(part(position)) for position in range(4))
    names = {"paginator": paginator, "page_obj": page, "object_list": rows, "is_paginated": is_paginated}
    return {**names, **_named(view, queryset, rows)}


def _page(view: Any, queryset: Any) -> tuple[Any, Any, Any, Any]:
    """Paginator, page, rows, and whether there are more pages; the view finds the same."""
    try:
        size = view.get_paginate_by(queryset)
        if not size:
            return None, None, queryset, False
        paginate = view.paginate_queryset
        page: tuple[Any, Any, Any, Any] = paginate(queryset, size)
    except Exception as error:
        # No such page: the view says so, once the gate has let the request in.
        leave_to_rendering(error)
        return UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN

    def remembering(*args: Any, **kwargs: Any) -> Any:
        given = [*args, *kwargs.values()]
        is_made = len(given) == 2 and given[0] is queryset and given[1] == size
        return page if is_made else paginate(*args, **kwargs)

    vars(view)["paginate_queryset"] = remembering
    return page


def _named(view: Any, described: Any, value: Any) -> dict[str, Any]:
    """The value under the name that the view has for it, unless code of the project chooses the name."""
    name = view.get_context_object_name(described) if _is_djangos(view, "get_context_object_name") else None
    return {name: value} if name else {}


def _remembered(view: Any, name: str, holds: Callable[[], bool] = lambda: True) -> Any:
    """What a method returns, which the view will not make again while that holds, unless it asks for something else."""
    method = getattr(view, name)
    made = method()

    def remembering(*args: Any, **kwargs: Any) -> Any:
        return made if not (args or kwargs) and holds() else method(*args, **kwargs)

    vars(view)[name] = remembering
    return made


def begin_view(view: Any) -> None:
    """Note what a view is like when it begins: its rows are those that were found before for as long as it stays so."""
    vars(view)[_BEGUN] = (_own(view), authorization_of(view.request).times_forgotten)


def _is_as_begun(view: Any) -> bool:
    """Whether a view has set nothing since, and has not written and told the request to forget."""
    if _BEGUN not in vars(view):
        return True
    (own, times_forgotten), now = vars(view)[_BEGUN], _own(view)
    # By identity: to compare values may take a query.
    is_same = own.keys() == now.keys() and all(value is own[name] for name, value in now.items())
    return is_same and times_forgotten == authorization_of(view.request).times_forgotten


_BEGUN = "_django_avp_begun"
# What planning and Django's own views set.
_SET_ANYWAY = frozenset([_BEGUN, "get_object", "get_queryset", "paginate_queryset", "object", "object_list"])


def _own(view: Any) -> dict[str, Any]:
    """What code of the project has set on a view."""
    return {name: value for name, value in vars(view).items() if name not in _SET_ANYWAY}


def _is_djangos(view: Any, name: str) -> bool:
    return str(getattr(type(view), name).__module__).startswith("django.views.")
