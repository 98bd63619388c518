"""Entities, contexts and principals as tests write them, in Cedar's form and as the schema declares them.

Errors name the entity, the attribute, the cause and the cure.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from django_avp.cedar import Entity, EntityUid
from django_avp.conf import conf
from django_avp.entities import registry
from django_avp.entities.world import with_uids
from django_avp.filtering import conforms
from django_avp.policies import Policies
from django_avp.schema import NamedType, RecordType, Schema, SetType, Type
from django_avp.values import RESERVED_KEYS, extension, to_value

__all__ = ["Inline", "entity_uid", "known"]

_PRIMITIVES: Mapping[str, type] = {"Bool": bool, "Long": int, "String": str}
# The extension types that are written as text, with Cedar's function for each.
_EXTENSIONS = {"datetime": "datetime", "duration": "duration", "ipaddr": "ip"}


def entity_uid(value: object) -> EntityUid:
    """An entity id of its text form, in the namespace.

    Raises:
        ValueError: it is none, or one that AVP refuses.
    """
    if not isinstance(value, str | EntityUid):
        raise ValueError(f'{value!r} is not an entity id. Write Type::"id".')
    uid = (EntityUid.parse(value) if isinstance(value, str) else value).in_namespace(conf.namespace)
    if not uid.is_valid:
        raise ValueError(f"{uid}: Amazon Verified Permissions takes no such id.")
    return uid


class Inline:
    """Reads what tests write.

    Args:
        policies: with the schema that says what entities and contexts are like, if there is one.
        principals: the principals that entities may refer to, by their names in the tests.
    """

    def __init__(self, policies: Policies, principals: Mapping[str, EntityUid]) -> None:
        self._policies = policies
        self._principals = principals

    @property
    def _schema(self) -> Schema | None:
        return self._policies.schema

    def entity(self, text: str | EntityUid, spec: Mapping[str, Any]) -> Entity:
        """Make an entity of ``{"attributes": {…}, "parents": […]}``.

        Raises:
            ValueError: it does not conform to the schema.
        """
        uid = entity_uid(text)
        known(uid, spec, ("attributes", "parents"))
        if uid.type in (conf.principal_type, conf.group_type):
            raise ValueError(f"{uid}: users and groups exist only as those who ask. Put it among the principals.")
        parents = tuple(entity_uid(parent) for parent in spec.get("parents") or ())
        declared = self._schema.entity_types.get(uid.type) if self._schema else None
        if self._schema and declared is None:
            raise ValueError(f"{uid}: the schema has no entity type {uid.type}. Declare it, or correct its name.")
        strangers = [parent for parent in parents if declared and parent.type not in declared.member_of]
        if strangers:
            raise ValueError(f"{uid}: by the schema, {uid.type} is not in {strangers[0].type}. Correct its parents.")
        attributes = self.record(str(uid), spec.get("attributes") or {}, declared.shape if declared else None)
        entity = Entity(uid, attributes, parents)
        if not conforms(self._policies, entity):
            raise ValueError(
                f"{uid}: Cedar does not take its attributes. Look at its datetimes, durations and addresses."
            )
        return entity

    def context(self, action: EntityUid, context: Mapping[str, Any]) -> dict[str, Any]:
        """A context in Cedar's JSON format.

        Raises:
            ValueError: it does not conform to what the schema declares for the action.
        """
        if "token" in context:
            raise ValueError("context.token: it has the claims of the access token. Give them to the principal.")
        declared = self._schema.actions.get(action) if self._schema else None
        return self.record("context", context, declared.context if declared else None, reserved=("token",))

    def record(
        self, place: str, record: object, declared: RecordType | None, reserved: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """A Record in Cedar's JSON format.

        Args:
            place: where it stands, for errors.
            record: attributes as the test writes them.
            declared: what the schema says of them; ``None`` without a schema.
            reserved: attributes that somebody else gives.

        Raises:
            ValueError: it does not conform.
        """
        if not isinstance(record, Mapping):
            raise ValueError(f"{place}: attributes are needed, not {record!r}.")
        if declared is None:
            return {str(name): self._value(f"{place}.{name}", value, None) for name, value in record.items()}
        for name in declared.lacking({*record, *reserved}):
            raise ValueError(f"{place} lacks {name}, which the schema requires.")
        for name in declared.undeclared(record):
            names = ", ".join(declared.attributes) or "nothing"
            raise ValueError(f"{place} may not have {name}: the schema declares {names}.")
        return {
            name: self._value(f"{place}.{name}", value, declared.attributes[name].type)
            for name, value in record.items()
        }

    def _value(self, place: str, value: Any, declared: Type | None) -> Any:
        if isinstance(declared, RecordType):
            return self.record(place, value, declared)
        if isinstance(declared, SetType):
            if not isinstance(value, list | tuple | set | frozenset):
                raise ValueError(f"{place}: a list is needed, not {value!r}.")
            return [self._value(f"{place}[{index}]", item, declared.element) for index, item in enumerate(value)]
        if declared is not None:
            return self._named(place, value, declared)
        # Without a schema, Cedar's own JSON format tells an entity from a text.
        is_cedar = isinstance(value, Mapping) and not RESERVED_KEYS.isdisjoint(value)
        return value if is_cedar else self._plain(place, value)

    def _named(self, place: str, value: Any, declared: NamedType) -> Any:
        name = declared.name
        if self._schema and name in self._schema.entity_types:
            return {"__entity": self._reference(place, value, name).as_json()}
        if name in _EXTENSIONS and isinstance(value, str):
            return extension(_EXTENSIONS[name], value)
        if name == "decimal" and not isinstance(value, bool):
            value = _decimal(place, value)
        wanted = _PRIMITIVES.get(name)
        if wanted and (not isinstance(value, wanted) or (isinstance(value, bool) and wanted is int)):
            raise ValueError(f"{place}: a {name} is needed, not {value!r}.")
        return self._plain(place, value)

    def _reference(self, place: str, value: Any, entity_type: str) -> EntityUid:
        if entity_type == conf.principal_type and isinstance(value, str) and value in self._principals:
            return self._principals[value]
        try:
            uid = entity_uid(_as_uid(value))
        except ValueError as error:
            cure = " It is none of the principals, either." if entity_type == conf.principal_type else ""
            raise ValueError(f"{place}: {error}{cure}") from error
        if uid.type != entity_type:
            raise ValueError(f"{place}: a {entity_type} is needed, not {uid}.")
        return uid

    def _plain(self, place: str, value: Any) -> Any:
        try:
            return to_value(with_uids(value, (), {}, registry))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{place}: {error}") from error


def known(place: object, spec: object, names: tuple[str, ...]) -> None:
    """Refuse what nobody reads.

    Raises:
        ValueError: ``spec`` is not a mapping, or has another key than ``names``.
    """
    if not isinstance(spec, Mapping):
        raise ValueError(f"{place}: {', '.join(names)} are needed, not {spec!r}.")
    strangers = [name for name in spec if name not in names]
    if strangers:
        raise ValueError(f"{place}: {strangers[0]!r} means nothing here. Known are {', '.join(names)}.")


def _as_uid(value: Any) -> Any:
    return value if isinstance(value, str) else with_uids(value, (), {}, registry)


def _decimal(place: str, value: Any) -> Any:
    try:
        return Decimal(str(value))
    except InvalidOperation as error:
        raise ValueError(f"{place}: a decimal is needed, not {value!r}.") from error
