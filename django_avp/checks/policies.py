"""Checks of policy files, and of the entities that they are about."""

from __future__ import annotations

from django.core.checks import Error, Tags, Warning

from django_avp.checks.base import Problems, local_policies, problem_check
from django_avp.conf import conf
from django_avp.entities import registry
from django_avp.exceptions import PolicyError
from django_avp.policies import load


@problem_check(Tags.security)
def check_policies() -> Problems:
    """The policy files parse, validate against their schema, and are there if the engine needs them."""
    is_local = conf.engine == "django_avp.engines.cedar.CedarEngine"
    try:
        policies = load(conf.policies) if conf.policies or is_local else None
    except PolicyError as error:
        yield Error(str(error), hint="Correct the file; without it nothing is decided.", id="django_avp.E016")
        return
    if policies is None:
        return
    for warning in policies.warnings:
        yield Error(warning, hint="Correct the policy or the schema.", id="django_avp.E017")
    if policies.schema is None:
        yield Warning(
            "The policies have no schema.",
            hint="Write schema.cedarschema beside them: without it misspelt actions and attributes deny silently, and "
            "groups of actions are not known.",
            id="django_avp.W018",
        )


@problem_check(Tags.models)
def check_entities() -> Problems:
    """Entity declarations hold together."""
    places: dict[str, str] = {}
    for definition in registry:
        label, entity_type = definition.model._meta.label, definition.entity_type
        for problem in definition.problems():
            yield Error(f"{label}: {problem}", obj=type(definition), id="django_avp.E019")
        if entity_type in (conf.principal_type, conf.group_type):
            yield Error(
                f"{label}: the entity type {entity_type} is reserved for the principals of tokens.",
                hint='Give it a type of its own, such as type = "Account".',
                obj=type(definition),
                id="django_avp.E020",
            )
        if entity_type in places:
            yield Error(
                f"{label}: {places[entity_type]} has the entity type {entity_type} already.",
                hint=f'Give one of them another: type = "{definition.model._meta.app_label.title()}'
                f'{definition.model.__name__}".',
                obj=type(definition),
                id="django_avp.E021",
            )
        places.setdefault(entity_type, label)


@problem_check(Tags.models)
def check_entities_in_schema() -> Problems:
    """The schema declares principals and what entities send; an undeclared attribute would leave checks undecided."""
    policies = local_policies()
    if policies is None or policies.schema is None:
        return
    if conf.principal_type not in policies.schema.entity_types:
        yield Error(
            f"The schema has no entity type {conf.principal_type}, so nothing would be decided about anybody.",
            hint="Declare it in schema.cedarschema, or correct AVP_PRINCIPAL_TYPE or AVP_NAMESPACE.",
            id="django_avp.E022",
        )
    for definition in registry:
        declared = policies.schema.entity_types.get(definition.entity_type)
        if declared is None:
            yield Error(
                f"{definition.model._meta.label}: the schema has no entity type {definition.entity_type}.",
                hint="Declare it in schema.cedarschema.",
                obj=type(definition),
                id="django_avp.E023",
            )
        elif not any(definition.problems()):
            for name in sorted(definition.declared_names - declared.shape.attributes.keys()):
                yield Error(
                    f"{definition.model._meta.label}: the schema declares no attribute {name!r} of "
                    f"{definition.entity_type}.",
                    hint="Declare it in schema.cedarschema, or leave it out of attributes.",
                    obj=type(definition),
                    id="django_avp.E024",
                )
