"""What the project declares of a schema: the entity types of its models and tokens, and the actions that it names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django_avp.cedar import EntityUid
from django_avp.conf import conf
from django_avp.entities import registry
from django_avp.entities.model_entity import ModelEntity
from django_avp.references import read_attributes
from django_avp.schema import Attribute, NamedType, RecordType, SetType, Type
from django_avp.schema_files.types import computed_attribute, guessed_type, stored_attribute
from django_avp.usage import all_uses
from django_avp.vocabulary import action_uid

__all__ = ["DeclaredAction", "DeclaredEntity", "Project"]

_TEXT, _TEXTS = NamedType("String"), SetType(NamedType("String"))
# Source: Amazon Cognito Developer Guide, "Understanding the identity (ID) token" and "… the access token". Attributes
# of one's own, custom:…, are text in tokens whatever they are declared to be.
_CLAIM_TYPES: Mapping[str, Type] = {
    "auth_time": NamedType("Long"),
    "email_verified": NamedType("Bool"),
    "exp": NamedType("Long"),
    "iat": NamedType("Long"),
    "phone_number_verified": NamedType("Bool"),
    "scope": _TEXTS,
    "version": NamedType("Long"),
}
_ACCESS_CLAIMS = ("client_id", "scope")


@dataclass(frozen=True, slots=True)
class DeclaredEntity:
    """An entity type.

    Attributes:
        name: its qualified name.
        attributes: by name; ``None`` in the place of a type that no code tells.
        parents: the entity types that its parents may have.
        is_complete: whether these are all of its attributes and parents; claims are those in use, among others.
    """

    name: str
    attributes: Mapping[str, Attribute | None] = field(default_factory=dict)
    parents: frozenset[str] = frozenset()
    is_complete: bool = True


@dataclass(frozen=True, slots=True)
class DeclaredAction:
    """An action and the entity types that it is asked about; none where no code tells."""

    uid: EntityUid
    resources: frozenset[str]


@dataclass(frozen=True, slots=True)
class Project:
    """All that is declared.

    Attributes:
        entities: the entity types, those of tokens first.
        actions: the actions that code names, by id.
        principals: the types that a principal may have.
        context: what is known of the context of checks.
    """

    entities: tuple[DeclaredEntity, ...]
    actions: tuple[DeclaredAction, ...]
    principals: tuple[str, ...]
    context: RecordType

    @classmethod
    def read(cls, policies: Iterable[Mapping[str, Any]]) -> Project:
        """Read settings, entities and code.

        Args:
            policies: policies and templates in Cedar's JSON format; what they read of tokens and of the context is in
                use.

        Raises:
            ImproperlyConfigured: a setting, an entity or the name of an action is wrong.
        """
        policies = tuple(policies)
        principals = [conf.principal_type]
        if conf.anonymous_principal and conf.anonymous_principal.type not in principals:
            principals.append(conf.anonymous_principal.type)
        entities = (*_of_tokens(policies, principals), *map(_of_model, sorted(registry, key=_name)))
        return cls(entities, tuple(_actions(policies)), tuple(principals), _context(policies))


def _of_tokens(policies: tuple[Mapping[str, Any], ...], principals: list[str]) -> Iterator[DeclaredEntity]:
    """The application, the groups and the principals: what no model is."""
    registered = {definition.entity_type for definition in registry}
    if conf.application.type not in registered:
        yield DeclaredEntity(conf.application.type, is_complete=False)
    yield DeclaredEntity(conf.group_type, is_complete=False)
    claims = {path[0] for path in _paths(policies, "principal")}
    attributes = {name: Attribute(_claim_type(name), False) for name in sorted(claims)}
    yield DeclaredEntity(principals[0], attributes, frozenset([conf.group_type]), is_complete=False)
    yield from (DeclaredEntity(name, is_complete=False) for name in principals[1:])


def _of_model(definition: ModelEntity) -> DeclaredEntity:
    attributes: dict[str, Attribute | None] = {
        column.name: stored_attribute(column) for column in definition.plan.attributes
    }
    attributes |= {name: computed_attribute(definition, name) for name in definition.computed}
    parents = frozenset(str(column.target) for column in definition.plan.parents)
    return DeclaredEntity(definition.entity_type, dict(sorted(attributes.items())), parents)


def _name(definition: ModelEntity) -> str:
    return definition.entity_type


def _context(policies: tuple[Mapping[str, Any], ...]) -> RecordType:
    paths = sorted(_paths(policies, "context"))
    attributes = {path[0]: Attribute(guessed_type(policies, path[0]), False) for path in paths if path[0] != "token"}
    if "access" in conf.token_use:
        claims = {*_ACCESS_CLAIMS, *(path[1] for path in paths if path[0] == "token" and len(path) > 1)}
        token = RecordType({name: Attribute(_claim_type(name), False) for name in sorted(claims)})
        attributes["token"] = Attribute(token, False)
    return RecordType(attributes)


def _claim_type(name: str) -> Type:
    return _CLAIM_TYPES.get(name, _TEXT)


def _paths(policies: Iterable[Mapping[str, Any]], root: str) -> set[tuple[str, ...]]:
    return {path for policy in policies for start, path in read_attributes(policy) if start == root}


def _actions(policies: tuple[Mapping[str, Any], ...]) -> Iterator[DeclaredAction]:
    """The actions that code names, with the types that it asks them about, or else that policies speak of."""
    found: defaultdict[EntityUid, set[str]] = defaultdict(set)
    names = _types_by_name()
    for use in all_uses():
        found[action_uid(use.action)].update(filter(None, [use.resource_type]))
        # {% can "EditPhoto" photo %} and {% can "ViewAlbum" photo.album %}: variables are mostly called so.
        found[action_uid(use.action)].update(filter(None, [names.get(use.resource_name.rpartition(".")[2])]))
    for policy in policies:
        for action in _named(policy["action"]):
            if action in found and not found[action]:
                scope = policy["resource"]
                # What a resource is `in` may be of another type.
                named = [uid.type for uid in _named(scope)] if scope["op"] == "==" else [scope.get("entity_type")]
                found[action].update(filter(None, named))
    for action in sorted(found, key=str):
        yield DeclaredAction(action, frozenset(found[action]))


def _types_by_name() -> dict[str | None, str]:
    """The entity types by the names of their models; a name that two apps have tells nothing."""
    found: defaultdict[str | None, list[str]] = defaultdict(list)
    for definition in registry:
        found[definition.model._meta.model_name].append(definition.entity_type)
    return {name: types[0] for name, types in found.items() if len(types) == 1}


def _named(scope: Mapping[str, Any]) -> Iterator[EntityUid]:
    """The entities that a part of a scope names."""
    entities = scope.get("entities") or ([scope["entity"]] if "entity" in scope else [])
    yield from (EntityUid(entity["type"], entity["id"]) for entity in entities)
