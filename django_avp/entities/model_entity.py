"""``ModelEntity``: how a model's rows become Cedar entities."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist, FieldError, ImproperlyConfigured
from django.db import models
from django.db.models import ExpressionWrapper, F, Lookup
from django.db.models.constants import LOOKUP_SEP
from django.db.models.expressions import RawSQL

from django_avp.cedar import EntityUid, qualify
from django_avp.conf import conf
from django_avp.entities.columns import Column, Shape, entity_id

if TYPE_CHECKING:
    from django_avp.entities.registry import Registry

__all__ = ["EXPRESSION_CURE", "ModelEntity", "Plan", "is_user"]

ModelClass: TypeAlias = type[models.Model]  # in the class below, `type` is an entity type

_METHOD = "attribute_"
_EXPRESSION = "expression_"
EXPRESSION_CURE = "Put what it reads of other rows into a Subquery, and write no SQL of your own."
"""What to do about the :meth:`~ModelEntity.fault` of an expression."""
_HELD = (
    models.BooleanField,
    models.IntegerField,
    models.CharField,
    models.TextField,
    models.UUIDField,
    models.DecimalField,
    models.DateField,
    models.DurationField,
    models.GenericIPAddressField,
    models.FileField,
    models.FilePathField,
)


@dataclass(frozen=True)
class Plan:
    """What to read of a row: the columns that are attributes, and those that name its parents."""

    attributes: tuple[Column, ...]
    parents: tuple[Column, ...]

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """All columns, each once."""
        return tuple(dict.fromkeys(self.attributes + self.parents))

    @cached_property
    def references(self) -> tuple[Column, ...]:
        """The columns that name other entities."""
        return tuple(column for column in self.columns if column.target)


class ModelEntity:
    """Declares a model's entity type. Subclass it and register it with :func:`django_avp.entities.register`.

    Attributes:
        attributes: names of fields that are attributes, or ``{"cedarName": "orm__path"}``. A foreign key is a
            reference to an entity, a path over a relation to many is a Set, NULL is an absent attribute. A method
            ``attribute_<name>(self, obj)`` computes one more, and ``expression_<name>(self)`` gives the ORM expression
            of the same value, so that lists can be filtered by it.
        parents: foreign keys and many-to-many fields that lead to the entities this one is ``in``.
        type: entity type without namespace; the model's name by default.
        id_field: field that is the entity's id; the primary key by default.
        shapes: the shape of each JSON attribute, from ``str``, ``int``, ``bool``, ``[shape]`` and ``{"key": shape}``.
            Only what is declared is sent.
    """

    attributes: ClassVar[Sequence[str] | Mapping[str, str]] = ()
    parents: ClassVar[Sequence[str]] = ()
    type: ClassVar[str] = ""
    id_field: ClassVar[str] = "pk"
    shapes: ClassVar[Mapping[str, Shape]] = {}

    def __init__(self, model: ModelClass, registry: Registry) -> None:
        self.model = model
        self.registry = registry
        self._plans: dict[tuple[str, ...], Plan] = {}

    @property
    def entity_type(self) -> str:
        """The entity type, in the namespace."""
        return qualify(self.type or self.model.__name__, conf.namespace)

    @cached_property
    def identifier(self) -> models.Field[Any, Any]:
        """The field that is the entity's id.

        Raises:
            ImproperlyConfigured: two rows could have one id, or a row none, or another one than an instance knows.
        """
        meta = self.model._meta
        field = meta.pk if self.id_field == "pk" else self._get_field(self.model, self.id_field, "id_field")
        constraints = [constraint.fields for constraint in meta.total_unique_constraints]
        if not (field.concrete and field.column and (field.unique or (field.name,) in constraints)) or field.null:
            raise ImproperlyConfigured(
                f"id_field: {field.name!r} may be the same in two rows, or NULL, but a row is an entity of its own. "
                "Name a column with unique=True that is never NULL."
            )
        if isinstance(field, models.GeneratedField):
            raise ImproperlyConfigured(
                f"id_field: {field.name!r} is a GeneratedField, of which an instance that was saved may hold what was "
                "there before. Name a column that the database does not work out."
            )
        return field

    def uid(self, instance: models.Model) -> EntityUid:
        """The entity id of a row.

        Raises:
            ValueError: the instance is not saved, so there is nothing to decide about (rule A4).
        """
        value = getattr(instance, self.identifier.attname)
        if instance._state.adding or value is None:
            raise ValueError(
                f"This {self.model.__name__} is not saved. Save it first, or ask about what it will belong to (its "
                "parent, or the application)."
            )
        return EntityUid(self.entity_type, entity_id(self.identifier, value))

    @cached_property
    def computed(self) -> dict[str, str]:
        """Computed attributes and the methods that compute them."""
        return {name.removeprefix(_METHOD): name for name in dir(type(self)) if name.startswith(_METHOD)}

    def expression(self, name: str) -> Column | Any | None:
        """What a computed attribute is in the database: a column, or an ORM expression with its ``output_field``.

        Returns:
            ``None`` if no method ``expression_<name>`` tells.

        Raises:
            ImproperlyConfigured: the expression has no ``output_field``, or reads what there is not.
        """
        method = getattr(self, f"{_EXPRESSION}{name}", None)
        expression = method() if method else None
        if type(expression) is F:
            # A column is an attribute like those of `attributes`, a reference or a Set among them.
            return self._column(name, expression.name, f"{_EXPRESSION}{name}")  # type: ignore[attr-defined]
        if expression is None or isinstance(expression, Lookup):
            # Django puts brackets around a comparison in another one only where it sees it.
            return expression
        return ExpressionWrapper(expression, self._query(name, expression)[1])

    def fault(self, name: str) -> str:
        """Why the expression of a computed attribute is not about one row alone; empty if it is, a column included."""
        expression = self.expression(name)
        if expression is None or isinstance(expression, Column):
            return ""
        query, _ = self._query(name, expression)
        found = query.annotations["avp_attribute"]
        joins = (table.join_field for table in query.alias_map.values() if hasattr(table, "join_field"))
        if (
            found.contains_aggregate
            or found.contains_over_clause
            or not all(join.concrete or join.one_to_one for join in joins)
        ):
            return f"{_EXPRESSION}{name} looks at several rows: an aggregate, a window, or a relation to many"
        if any(isinstance(part, RawSQL) for part in _parts(found)):
            return f"{_EXPRESSION}{name} has a RawSQL, whose columns no query can tell to be those of its row"
        return ""

    def _query(self, name: str, expression: Any) -> tuple[Any, Any]:
        """The query that an expression is resolved in, and the field of its value."""
        try:
            query = models.QuerySet(self.model).annotate(avp_attribute=expression).query
            return query, query.annotations["avp_attribute"].output_field
        except FieldError as error:
            raise ImproperlyConfigured(
                f"{_EXPRESSION}{name}: {error} Give it columns that there are, and an output_field."
            ) from error

    def is_opaque(self, name: str) -> bool:
        """Whether an attribute is computed in Python alone, so that no list can be filtered by it."""
        return name in self.computed and not hasattr(self, f"{_EXPRESSION}{name}")

    def target(self, column: Column) -> ModelEntity | None:
        """The definition of the entities that a reference names; ``None`` for principals and groups (rule A3)."""
        if column.target in (None, conf.principal_type, conf.group_type):
            return None
        return self.registry.of_type(str(column.target))

    @property
    def plan(self) -> Plan:
        """The columns to read.

        Raises:
            ImproperlyConfigured: the declaration names what there is not.
        """
        # Entity types follow the settings, which are read live.
        key = (conf.namespace, conf.principal_type, conf.user_id_field)
        if key not in self._plans:
            attributes = tuple(self._column(name, path, "attributes") for name, path in self._paths().items())
            # What is both an attribute and a parent is read once.
            known = {column.path: column for column in attributes if column.target}
            parents = (self._parent(path) for path in self.parents)
            self._plans[key] = Plan(attributes, tuple(known.get(column.path, column) for column in parents))
        return self._plans[key]

    @property
    def columns(self) -> tuple[Column, ...]:
        """The attributes that are columns."""
        return self.plan.attributes

    @property
    def declared_names(self) -> frozenset[str]:
        """All attributes, columns and computed ones."""
        return frozenset(column.name for column in self.columns) | frozenset(self.computed)

    def problems(self) -> Iterator[str]:
        """What is wrong with the declaration, a sentence each, for system checks."""
        try:
            columns = self.columns
            _ = self.identifier
            for name in self.computed:
                self.expression(name)
        except ImproperlyConfigured as error:
            yield str(error)
            return
        yield from (problem for column in columns if (problem := _problem(column)))
        faults = (fault for name in self.computed if (fault := self.fault(name)))
        yield from (f"{fault}. {EXPRESSION_CURE}" for fault in faults)
        expressions = {name.removeprefix(_EXPRESSION) for name in dir(type(self)) if name.startswith(_EXPRESSION)}
        for name in sorted(expressions - self.computed.keys()):
            yield f"expression_{name} is the expression of no attribute. Write a method attribute_{name}(self, obj)."
        for name in self.shapes.keys() - {column.name for column in columns}:
            yield f"shapes: {name!r} is not one of the attributes that are columns. Remove it, or add the attribute."

    def _paths(self) -> dict[str, str]:
        named = self.attributes
        paths = named if isinstance(named, Mapping) else {name: name for name in named}
        return {name: path for name, path in paths.items() if name not in self.computed}

    def _parent(self, path: str) -> Column:
        column = self._column(path, path, "parents")
        if column.target is None:
            raise ImproperlyConfigured(
                f"parents: {path!r} is not a relation. Name a foreign key or a many-to-many field."
            )
        return column

    def _column(self, name: str, path: str, where: str) -> Column:
        model: Any = self.model
        relations: list[Any] = []
        *hops, last = path.split(LOOKUP_SEP)
        for hop in hops:
            relations.append(self._get_field(model, hop, f"{where}: {path!r}"))
            model = relations[-1].related_model
        field = self._get_field(model, last, f"{where}: {path!r}")
        if not field.is_relation:
            return Column(name, path, tuple(relations), field, _is_to_many(relations), self.shapes.get(name))
        target, key = self._reference(field, f"{where}: {path!r}")
        to_target = (*relations, field)
        # The id stands in the foreign key itself, or in the row that the relation leads to.
        if isinstance(field, models.ForeignKey) and field.target_field is key:
            way: tuple[Any, ...] = tuple(relations)
        else:
            way, path, field = to_target, f"{path}{LOOKUP_SEP}{key.name}", key
        return Column(name, path, way, field, _is_to_many(to_target), None, target, key, to_target)

    def _reference(self, field: Any, where: str) -> tuple[str, Any]:
        """The entity type and the id field of the model that a relation leads to."""
        related = field.related_model
        if related is None:
            raise ImproperlyConfigured(f"{where} leads to no one model. Write a method attribute_<name> instead.")
        # A user is the principal of a token, never an entity of its own (rule A3).
        if is_user(related):
            return conf.principal_type, self._get_field(related, conf.user_id_field, "AVP_USER_ID_FIELD")
        definition = self.registry.find(related)
        if definition is None:
            raise ImproperlyConfigured(
                f"{where} leads to {related.__name__}, which is not registered. Register it with "
                f"@entities.register({related.__name__}), or name one of its columns (a path with two underscores)."
            )
        return definition.entity_type, definition.identifier

    @staticmethod
    def _get_field(model: Any, name: str, where: str) -> Any:
        try:
            if model is None:
                raise FieldDoesNotExist
            return model._meta.pk if name == "pk" else model._meta.get_field(name)
        except FieldDoesNotExist as error:
            names = [field.name for field in model._meta.get_fields()] if model else []
            close = difflib.get_close_matches(name, names, 1)
            hint = f"Did you mean {close[0]!r}?" if close else "Name a field, or write a method attribute_<name>."
            raise ImproperlyConfigured(f"{where}: there is no field {name!r}. {hint}") from error


def is_user(model: ModelClass) -> bool:
    """Whether a model is the user model, a proxy of it or a child."""
    return issubclass(_concrete(model), _concrete(get_user_model()))


def _concrete(model: ModelClass) -> ModelClass:
    return model._meta.concrete_model or model


def _is_to_many(relations: Iterable[Any]) -> bool:
    return any(relation.one_to_many or relation.many_to_many for relation in relations)


def _parts(expression: Any) -> Iterator[Any]:
    """An expression and all that it is made of, but for its subqueries."""
    yield expression
    for part in getattr(expression, "get_source_expressions", tuple)():
        yield from _parts(part)


def _is_shape(shape: object) -> bool:
    if isinstance(shape, Mapping):
        return all(map(_is_shape, shape.values()))
    if isinstance(shape, list):
        return len(shape) == 1 and _is_shape(shape[0])
    return shape in (str, int, bool)


def _problem(column: Column) -> str:
    if column.shape is not None and not _is_shape(column.shape):
        return f'shapes: {column.name!r} may be made of str, int, bool, [shape] and {{"key": shape}} only.'
    field = getattr(column.field, "output_field", column.field)
    field = getattr(field, "base_field", field)
    if column.target or isinstance(field, _HELD):
        return ""
    kind = type(field).__name__
    if isinstance(field, models.JSONField):
        if column.shape is not None:
            return ""
        cure = f'Declare its shape, shapes = {{{column.name!r}: {{"key": str}}}}, so that only known keys are sent.'
    elif isinstance(field, models.FloatField):
        cure = f"Cedar has no fractions: make it a DecimalField, or write attribute_{column.name}(self, obj)."
    else:
        cure = f"Leave it out, or write attribute_{column.name}(self, obj) that returns a value Cedar has."
    return f"attributes: {column.path!r} is a {kind}, which Cedar cannot hold. {cure}"
