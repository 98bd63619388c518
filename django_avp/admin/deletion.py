"""What would be deleted with some objects, all of it decided in one round, and named to those who may view it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from typing import Any

from django.contrib.admin.utils import NestedObjects, quote
from django.db import router
from django.db.models import Model
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.text import capfirst

from django_avp.admin.base import PolicyOptions

__all__ = ["Deletion"]


class Deletion:
    """Objects that would be deleted, with all that goes with them, and what is asked about each.

    Django asks about one object after the other, and names every one; here all are asked about together.

    Args:
        options: the admin of the objects.
        request: the request that would delete them.
        objects: the objects, of one model.
    """

    def __init__(self, options: PolicyOptions, request: HttpRequest, objects: Sequence[Model]) -> None:
        self._admin_site = options.admin_site
        self._request = request
        # What is made of a deleted object's model may be kept in another database.
        self._collector = NestedObjects(using=router.db_for_write(options.opts.model), origin=objects)
        self._collector.collect(objects)
        for found, found_options in self._found():
            if isinstance(found_options, PolicyOptions):
                found_options.collect(request, ("delete", "view"), [found])

    def result(self) -> Any:
        """What Django's ``get_deleted_objects`` returns."""
        to_delete = self._collector.nested(self._link)
        by_model: dict[Any, Any] = dict(self._collector.model_objs)
        counts = {model._meta.verbose_name_plural: len(found) for model, found in by_model.items()}
        return to_delete, counts, self.refused(), [self._link(found) for found in self._collector.protected]

    def refused(self, but: Collection[Model] = ()) -> set[Any]:
        """The names of the models of which something may not be deleted.

        Args:
            but: objects that need not be decided here.
        """
        return {
            found._meta.verbose_name
            for found, options in self._found()
            if found not in but and options is not None and not options.has_delete_permission(self._request, found)
        }

    def protecting(self) -> list[str]:
        """What stands in the way, in words."""
        return [self._words(found) for found in self._collector.protected]

    def _found(self) -> Iterator[tuple[Model, Any]]:
        """Every object, with its model's admin on the site."""
        for found in chain(*self._collector.model_objs.values(), self._collector.protected):
            yield found, self._admin_site._registry.get(found.__class__)

    def _is_named(self, found: Model) -> bool:
        options: Any = self._admin_site._registry.get(found.__class__)
        return not isinstance(options, PolicyOptions) or options.permits(self._request, "view", found)

    def _words(self, found: Model) -> str:
        kind = str(capfirst(found._meta.verbose_name))
        return f"{kind}: {found}" if self._is_named(found) else kind

    def _link(self, found: Model) -> str:
        model = found._meta
        if not self._is_named(found):
            return self._words(found)
        try:
            name = f"{self._admin_site.name}:{model.app_label}_{model.model_name}_change"
            address = reverse(name, None, (quote(found.pk),))
        except NoReverseMatch:
            return self._words(found)
        return format_html('{}: <a href="{}">{}</a>', capfirst(model.verbose_name), address, found)
