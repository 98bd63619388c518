"""The registered models, and their discovery."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured

from django_avp.cedar import EntityUid
from django_avp.conf import conf
from django_avp.entities.columns import entity_id
from django_avp.entities.model_entity import ModelEntity, is_user

if TYPE_CHECKING:
    from django.db import models

__all__ = ["Registry", "register", "registry"]


class Registry:
    """Maps models to their entity definitions, as an admin site maps them to their admins."""

    def __init__(self) -> None:
        self._definitions: dict[type[models.Model], ModelEntity] = {}

    def register(self, *model_classes: type[models.Model]) -> Callable[[type[ModelEntity]], type[ModelEntity]]:
        """Decorate a :class:`ModelEntity` with the models that it describes.

        Raises:
            ImproperlyConfigured: no model is named, or one is abstract or registered already.
        """

        def decorate(entity_class: type[ModelEntity]) -> type[ModelEntity]:
            for model in model_classes:
                if model._meta.abstract:
                    raise ImproperlyConfigured(f"{model.__name__} is abstract and has no rows; register its children.")
                if model in self._definitions:
                    raise ImproperlyConfigured(f"{model.__name__} is registered already.")
                self._definitions[model] = entity_class(model, self)
            return entity_class

        if not model_classes:
            raise ImproperlyConfigured("register() takes at least one model: @entities.register(Photo).")
        return decorate

    def unregister(self, model: type[models.Model]) -> None:
        """Forget a model."""
        del self._definitions[model]

    def __iter__(self) -> Iterator[ModelEntity]:
        return iter(self._definitions.values())

    def find(self, model: type[models.Model]) -> ModelEntity | None:
        """The definition of a model, or of the one it is a proxy or a child of; ``None`` if there is none."""
        known = self._definitions.get(model)
        return known or next((self._definitions[base] for base in model.__mro__ if base in self._definitions), None)

    def get(self, model: type[models.Model]) -> ModelEntity:
        """The definition of a model.

        Raises:
            ImproperlyConfigured: the model is not registered.
        """
        definition = self.find(model)
        if definition is None:
            raise ImproperlyConfigured(
                f"{model.__name__} is not registered as a Cedar entity. Write an entities.py in its app:\n\n"
                f"    @entities.register({model.__name__})\n"
                f"    class {model.__name__}Entity(entities.ModelEntity):\n"
                "        attributes = []\n"
            )
        return definition

    def of_type(self, entity_type: str) -> ModelEntity | None:
        """The definition whose entities have this type; ``None`` if there is none."""
        return next((item for item in self if item.entity_type == entity_type), None)

    def uid(self, instance: models.Model) -> EntityUid:
        """The entity id of a model instance as a resource."""
        # Not type(): a lazy object, such as request.user, shows the class of what it wraps.
        return self.get(instance.__class__).uid(instance)

    def reference(self, instance: models.Model) -> EntityUid:
        """The entity id of a model instance that another one refers to: a user is a principal (rule A3)."""
        if not is_user(instance.__class__):
            return self.uid(instance)
        field = instance._meta.get_field(conf.user_id_field)
        value = getattr(instance, conf.user_id_field)
        # No id is no value that Cedar can hold, so the attribute is absent.
        return EntityUid(conf.principal_type, "" if value is None else entity_id(field, value))


registry = Registry()
register = registry.register
