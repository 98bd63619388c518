"""What would be deleted with some objects, all of it decided in one round."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.admin.sites import AdminSite
from django.contrib.admin.utils import get_deleted_objects
from django.db.models import Model
from django.http import HttpRequest

from django_avp.admin.base import PolicyOptions

__all__ = ["Deletion"]


class Deletion:
    """Objects that would be deleted, and what has to be asked about each.

    Django asks about one object after the other. To it this is the admin site, and the admin of every model there:
    it says yes and notes the object, so that all are asked together afterwards.
    """

    def __init__(self, objects: Iterable[Model], request: HttpRequest, admin_site: AdminSite) -> None:
        self._admin_site = admin_site
        self._request = request
        self._asked: list[tuple[Any, Model]] = []
        self.name = admin_site.name
        self._found = get_deleted_objects(objects, request, self)  # type: ignore[arg-type]
        for options, found in self._asked:
            if isinstance(options, PolicyOptions):
                options.collect(request, ("delete",), [found])

    def is_registered(self, model: type[Model]) -> bool:
        """Whether the site has an admin of the model."""
        return self._admin_site.is_registered(model)

    def get_model_admin(self, model: type[Model]) -> Deletion:
        """What is asked whether objects of the model may be deleted."""
        return self

    def has_delete_permission(self, request: HttpRequest, obj: Model) -> bool:
        """Note the object, to be asked about later."""
        self._asked.append((self._admin_site.get_model_admin(obj.__class__), obj))
        return True

    def result(self) -> Any:
        """What Django's ``get_deleted_objects`` returns: with the names of what may not be deleted."""
        to_delete, counts, _, protected = self._found
        refused = {
            found._meta.verbose_name
            for options, found in self._asked
            if not options.has_delete_permission(self._request, found)
        }
        return to_delete, counts, refused, protected
