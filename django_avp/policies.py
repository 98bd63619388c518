"""Policies to Cedar: statements, template links and a schema become one bundle, those of a directory among them.

Errors name the place, which is a file and a line, the cause and the cure.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import cedarpy

from django_avp.cedar import Entity, EntityUid, unquote
from django_avp.exceptions import PolicyError
from django_avp.expressions import balanced, calls_unknown
from django_avp.needs import Needs
from django_avp.policy_files import (
    LINKS_FILE,
    MAX_NESTING,
    SCHEMA_FILE,
    Statement,
    explain,
    files,
    fingerprint,
    nesting,
    read,
    refuse_missing,
    statements,
)
from django_avp.references import Mentions, References
from django_avp.schema import Schema
from django_avp.slicing import Asked, Slice, Slices

__all__ = [
    "UNKNOWN",
    "Policies",
    "PolicyBuilder",
    "Statement",
    "fingerprint",
    "load",
    "load_schema",
    "parse",
    "parse_schema",
    "read_links",
    "ready",
    "statements",
    "validation_errors",
]

UNKNOWN = "unknown"
"""In place of the id of a policy that the message of its error does not tell."""

_ERROR_PREFIX = "error while evaluating policy `"
_FIRST_POLICY = "for policy `policy0`, "
_EMPTY: Mapping[str, Any] = {"staticPolicies": {}, "templates": {}, "templateLinks": []}
_TOO_DEEP = "nested too deeply for Cedar's JSON format. Split the policy into several."
_BAD_LINK = (
    'the values do not fill the slots of the template. Write "values": {"?principal": {"type": …, "id": …}}, one '
    "for each slot and no other; a type is a name such as PhotoFlash::User, and an id has 1 to 612 characters and no "
    "line break."
)
_LINKS = 'Write [{"templateId": …, "newId": …, "values": {…}}].'
_UNKNOWN_CALLED = (
    "the function `unknown` is not a part of a policy. Remove it: with it a policy is neither true nor false"
)


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Policies:
    """Parsed policies, ready to evaluate.

    Attributes:
        policy_set: cedarpy's handle; policy ids are the ``@id`` annotations.
        slices: the parts of it that questions need.
        needs: what of entities they need.
        schema: the schema, if there is one.
        statements: where each policy, template and link comes from, by id.
        forbids: ids of the policies (links too) whose effect is ``forbid``.
        templates: ids of the templates, which decide by their links alone.
        references: which references the policies follow (rule A1).
        mentions: what the policies speak of.
        digest: tells these policies and this schema from any other.
        warnings: what cedarpy's validation against the schema found, as ``file:line: text``.
    """

    policy_set: cedarpy.PolicySet
    slices: Slices
    needs: Needs
    schema: Schema | None
    statements: Mapping[str, Statement]
    forbids: frozenset[str]
    templates: frozenset[str]
    references: References
    mentions: Mentions
    digest: str = ""
    warnings: tuple[str, ...] = field(default=())

    def about_actions(self, actions: Collection[EntityUid], entities: Mapping[EntityUid, Entity]) -> Asked:
        """What is asked about actions, for :meth:`Slices.fitting <django_avp.slicing.Slices.fitting>`."""
        asked = Asked.about(actions, entities)
        if self.schema:
            # Which groups an action is in, the schema tells.
            asked.ancestors.update(*(self.schema.actions[action].groups for action in actions))
        return asked

    def erring(self, message: str) -> str:
        """The id of the policy that an error of Cedar is about, and nothing else of its text (rule A8)."""
        escaped = message.removeprefix(_ERROR_PREFIX).partition("`: ")[0]
        try:
            policy_id = unquote(f'"{escaped}"')
        except ValueError:
            return UNKNOWN
        return policy_id if policy_id in self.statements else UNKNOWN


def load(directories: Sequence[Path]) -> Policies:
    """Read every ``*.cedar`` file below ``directories``, the schema and the template links.

    Raises:
        PolicyError: a directory that is missing, no policies, a file that cannot be parsed, an id used twice, a link
            without its template, or the function ``unknown``, which would make a residual where a decision belongs
            (rule A6).
    """
    refuse_missing(directories)
    schema = load_schema(directories)
    builder = PolicyBuilder()
    for path in files(directories, "*.cedar"):
        for statement in statements(path):
            builder.add(statement)
    for path in files(directories, LINKS_FILE):
        for line, link in read_links(path):
            builder.add_link(link, Statement(path, line, json.dumps(link)))
    if not builder.statements:
        raise PolicyError(_nothing_found(directories))
    policies = builder.build(schema)
    return replace(policies, warnings=tuple(_validate(policies.statements, schema))) if schema else policies


def _nothing_found(directories: Sequence[Path]) -> str:
    places = ", ".join(map(str, directories)) or "no directory"
    return f"No policy found in {places}. Put *.cedar files there, or name their directory in AVP_POLICIES."


def load_schema(directories: Sequence[Path]) -> Schema | None:
    """Read the schema below ``directories``, if there is one.

    Raises:
        PolicyError: it cannot be parsed, or there are two.
    """
    paths = files(directories, SCHEMA_FILE)
    if len(paths) > 1:
        raise PolicyError(f"a second schema beside {paths[0]}. A policy store has one; merge them.", paths[1])
    return parse_schema(Statement(paths[0], 1, read(paths[0]))) if paths else None


def parse_schema(statement: Statement) -> Schema:
    """Parse the text of a schema file.

    Raises:
        PolicyError: Cedar does not take it.
    """
    try:
        return Schema.parse(statement.text)
    except ValueError as error:
        raise explain(statement, error, cedarpy.Schema.from_str) from error


class PolicyBuilder:
    """Gathers policies, templates and links one by one, and makes a bundle of them."""

    def __init__(self) -> None:
        self.statements: dict[str, Statement] = {}
        self._policies: dict[str, dict[str, Any]] = {"staticPolicies": {}, "templates": {}}
        self._links: list[Mapping[str, Any]] = []

    def add(self, statement: Statement, policy_id: str | None = None) -> str:
        """Parse a policy or a template.

        Args:
            statement: its text and its place.
            policy_id: its id; by default the one that its ``@id`` gives it, or else its place.

        Returns:
            Its id.

        Raises:
            PolicyError: it does not parse, or its id is taken.
        """
        kind, policy = parse(statement)
        own_id = policy.get("annotations", {}).get("id") or f"{statement.path.stem}:{statement.line}"
        claimed = self._claim(policy_id or own_id, statement)
        self._policies[kind][claimed] = policy
        return claimed

    def parsed(self, policy_id: str) -> tuple[str, dict[str, Any]]:
        """A policy or a template that was added, as :func:`parse` returns it."""
        kind = "templates" if policy_id in self._policies["templates"] else "staticPolicies"
        return kind, self._policies[kind][policy_id]

    def add_link(self, link: Mapping[str, Any], statement: Statement) -> None:
        """Take a link to a template that is there.

        Args:
            link: in Cedar's JSON format: ``templateId``, ``newId`` and ``values``.
            statement: its place.

        Raises:
            PolicyError: its template is missing, its id is taken, or its values are none that the template takes.
        """
        if link["templateId"] not in self._policies["templates"]:
            raise statement.error(
                f"there is no template with @id({json.dumps(link['templateId'])}). Add it, or remove the link."
            )
        if not _fills(link["values"], self._policies["templates"][link["templateId"]]):
            raise statement.error(_BAD_LINK)
        self._claim(link["newId"], statement)
        self._links.append(link)

    def build(self, schema: Schema | None) -> Policies:
        """Make the bundle of what was gathered.

        Raises:
            PolicyError: Cedar does not take it.
        """
        document = {**self._policies, "templateLinks": self._links}
        try:
            policy_set = cedarpy.PolicySet.from_json_str(json.dumps(document))
        except ValueError as error:
            raise self._culprit(error) from error
        effects = {
            policy_id: policy["effect"]
            for policies in self._policies.values()
            for policy_id, policy in policies.items()
        }
        effects.update({link["newId"]: effects[link["templateId"]] for link in self._links})
        return Policies(
            schema=schema,
            statements=self.statements,
            forbids=frozenset(policy_id for policy_id, effect in effects.items() if effect == "forbid"),
            templates=frozenset(self._policies["templates"]),
            digest=_digest(document, schema),
            **ready(document, policy_set, schema),
        )

    def _claim(self, policy_id: str, statement: Statement) -> str:
        if "`" in policy_id:
            # Cedar puts ids between backticks in its messages, which is how an erring policy is told (rule B2).
            raise statement.error(f"the id {policy_id!r} has a backtick. Rename it.")
        if policy_id in self.statements:
            raise statement.error(
                f"the id {json.dumps(policy_id)} is used already at {self.statements[policy_id].place}. Ids are "
                "unique; give one of them another @id."
            )
        self.statements[policy_id] = statement
        return policy_id

    def _culprit(self, error: ValueError) -> PolicyError:
        """The error of the policy or the link that Cedar does not take."""
        refused = (
            self.statements[policy_id].error(_TOO_DEEP)
            for kind, policies in self._policies.items()
            for policy_id, policy in policies.items()
            if _is_refused({kind: {policy_id: policy}})
        )
        return next(refused, PolicyError(f"{error}."))


def ready(document: Mapping[str, Any], policy_set: cedarpy.PolicySet, schema: Schema | None) -> dict[str, Any]:
    """The attributes of :class:`Policies` that a policy set in Cedar's JSON format has by itself."""
    mentions = Mentions.of(document)
    return {
        "policy_set": policy_set,
        "slices": Slices(document, Slice(policy_set, mentions.entities)),
        "needs": Needs(mentions.attributes, schema),
        "references": References.of(document),
        "mentions": mentions,
    }


def _digest(document: Mapping[str, Any], schema: Schema | None) -> str:
    text = json.dumps([document, str(schema.handle) if schema else None], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _validate(found: Mapping[str, Statement], schema: Schema) -> Iterator[str]:
    for statement in found.values():
        if not statement.is_link:
            yield from (f"{statement.place}: {error}" for error in validation_errors(statement.text, schema.handle))


def validation_errors(text: str, schema: cedarpy.Schema) -> list[str]:
    """What is wrong with the text of one policy or template under a schema, in Cedar's words."""
    # Of one policy, the name that cedarpy gives it tells nothing.
    return [error.error.removeprefix(_FIRST_POLICY) for error in cedarpy.validate_policies(text, schema).errors]


def parse(statement: Statement) -> tuple[str, dict[str, Any]]:
    """A statement in Cedar's JSON format, after the kind that it is: ``"staticPolicies"`` or ``"templates"``.

    Raises:
        PolicyError: it does not parse, is nested too deeply, or calls ``unknown`` (rule A6).
    """
    if nesting(statement.text) > MAX_NESTING:
        raise statement.error(_TOO_DEEP)
    try:
        document = json.loads(cedarpy.policies_to_json_str(statement.text))
        kind = "templates" if document["templates"] else "staticPolicies"
        (policy,) = document[kind].values()
        if calls_unknown(policy):
            raise ValueError(_UNKNOWN_CALLED)
        return kind, balanced(policy)
    except ValueError as error:
        raise explain(statement, error, cedarpy.policies_to_json_str) from error
    except RecursionError as error:
        raise statement.error(_TOO_DEEP) from error


def _fills(values: Mapping[str, Any], template: Mapping[str, Any]) -> bool:
    """Whether values of a link are entities for the slots of its template, one for each and no other."""
    scopes = [template[side] for side in ("principal", "resource")]
    slots = {slot for scope in scopes if (slot := scope.get("slot") or scope.get("in", {}).get("slot"))}
    return slots == values.keys() and all(
        isinstance(value, Mapping) and value.keys() == {"type", "id"} and _is_entity(value["type"], value["id"])
        for value in values.values()
    )


def _is_entity(kind: object, entity_id: object) -> bool:
    """Whether Cedar and AVP take a type and an id (rule A9)."""
    if not isinstance(kind, str) or not isinstance(entity_id, str):
        return False
    return EntityUid(kind, entity_id).is_valid and not _is_reserved(kind)


@lru_cache(maxsize=1024)
def _is_reserved(kind: str) -> bool:
    """Whether a type's name has a word of Cedar's own, such as ``if``."""
    try:
        cedarpy.policies_to_json_str(f"permit (principal is {kind}, action, resource);")
    except ValueError:
        return True
    return False


def _is_refused(part: Mapping[str, Any]) -> bool:
    try:
        cedarpy.PolicySet.from_json_str(json.dumps({**_EMPTY, **part}))
    except ValueError:
        return True
    return False


def read_links(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The links of a file, each with the line that names it.

    Raises:
        PolicyError: it is not a list of links.
    """
    text = read(path)
    try:
        links = json.loads(text)
    except json.JSONDecodeError as error:
        raise PolicyError(f"not JSON: {error.msg}. {_LINKS}", path, error.lineno, error.colno) from error
    if not isinstance(links, list) or not all(map(_is_link, links)):
        raise PolicyError(f"not a list of template links. {_LINKS}", path, 1)
    lines = (text.count("\n", 0, key.start()) + 1 for key in re.finditer(r'"newId"\s*:', text))
    for line, link in zip(chain(lines, repeat(1)), links, strict=False):
        # Cedar's JSON format has two forms of an entity.
        values = {slot: _entity(value) for slot, value in link["values"].items()}
        yield line, {"newId": link["newId"], "templateId": link["templateId"], "values": values}


def _is_link(link: object) -> bool:
    return (
        isinstance(link, dict)
        and isinstance(link.get("templateId"), str)
        and isinstance(link.get("newId"), str)
        and isinstance(link.get("values"), dict)
    )


def _entity(value: Any) -> Any:
    return value.get("__entity", value) if isinstance(value, dict) else value
