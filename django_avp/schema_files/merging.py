"""Brings a schema's text in line with what the project declares, and leaves all else of it as it is written."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from django_avp.cedar import EntityUid
from django_avp.declarations import Reader, join
from django_avp.schema import Attribute, EntityType, Schema
from django_avp.schema_files.project import DeclaredEntity, Project
from django_avp.schema_files.source import Block, Declaration, Source, Span
from django_avp.schema_files.writing import (
    STEP,
    action_text,
    applies_to,
    attribute_lines,
    entity_text,
    indented,
    parents_text,
    told,
    type_text,
)

__all__ = ["merged"]

_CONTEXT = "Context"


@dataclass(frozen=True, slots=True)
class _Edit:
    """A part of the text, and what stands in its place."""

    span: Span
    text: str


def merged(text: str, project: Project) -> str:
    """The text of a schema in which all is declared that the project declares.

    Entity types of models get exactly their attributes and parents, those of tokens the claims in use; actions that are
    missing are added. What is right is left as it is written, and so is what only people know: comments, annotations,
    further types and actions, groups, contexts, and what an action applies to.

    Args:
        text: the schema as it is, which Cedar parses; empty without one.
        project: what the project declares.

    Raises:
        ValueError: Cedar does not take the schema.
        ImproperlyConfigured: nothing tells the type of a computed attribute.
    """
    schema, source = Schema.parse(text), Source(text)
    changes = list(_changes(source, schema, project))
    shared = [change for change in changes if isinstance(change, Declaration)]
    if shared:
        splits = [_Edit(declaration.whole, _split(text, declaration)) for declaration in dict.fromkeys(shared)]
        return merged(_edited(text, splits), project)
    edits = [change for change in changes if isinstance(change, _Edit)]
    return _edited(text, [*edits, *_additions(source, schema, project)])


def _edited(text: str, edits: list[_Edit]) -> str:
    # From the end, so that places before stay; of several at one place the last is put there first.
    for edit in sorted(edits, key=lambda edit: edit.span.start)[::-1]:
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return text


# What is there


def _changes(source: Source, schema: Schema, project: Project) -> Iterator[_Edit | Declaration]:
    """The edits of what is declared already; a declaration of several names that has to be split for them first."""
    declared_entities = {entity.name: entity for entity in project.entities}
    for block, declaration in source.declarations("entity"):
        for name in declaration.names:
            if name in declared_entities and not declaration.is_enumeration:
                wanted = _completed(declared_entities[name], schema.entity_types[name])
                edits = list(_entity_edits(source.text, block, declaration, wanted, schema.entity_types[name]))
                yield from edits if len(declaration.names) == 1 else [declaration] * bool(edits)
    declared_actions, context = {action.uid: action for action in project.actions}, _context_name(schema)
    for block, declaration in source.declarations("action"):
        for name in declaration.names:
            uid = EntityUid(join(block.namespace, "Action"), name)
            if uid in declared_actions and not declaration.applies:
                applies = applies_to(declared_actions[uid], project, context, block.namespace)
                applies = indented(applies, _indent_at(source.text, declaration.whole.start)).lstrip()
                end = declaration.whole.end - 1
                is_alone = len(declaration.names) == 1
                yield _Edit(Span(end, end), f" {applies}") if is_alone else declaration


def _completed(declared: DeclaredEntity, known: EntityType) -> DeclaredEntity:
    """With what is known already, where the project does not tell all."""
    if declared.is_complete:
        kept = {name: known.shape.attributes.get(name) for name, kind in declared.attributes.items() if kind is None}
        return replace(declared, attributes={**declared.attributes, **kept})
    attributes = {**declared.attributes, **known.shape.attributes}
    return replace(declared, attributes=attributes, parents=declared.parents | known.member_of)


def _split(text: str, declaration: Declaration) -> str:
    """Declarations of one name each in the place of one of several, which keep the line's indentation."""
    whole, naming = declaration.whole, declaration.naming
    indent = _indent_at(text, whole.start)
    head, tail = text[whole.start : naming.start], text[naming.end : whole.end]
    return f"\n{indent}".join(f"{head}{name}{tail}" for name in declaration.name_texts)


def _entity_edits(
    text: str, block: Block, declaration: Declaration, declared: DeclaredEntity, known: EntityType
) -> Iterator[_Edit]:
    if declared.parents != known.member_of:
        yield _Edit(declaration.parents, parents_text(declared, block.namespace))
    wanted, had = told(declared), known.shape.attributes
    for source in declaration.attributes:
        if source.name not in wanted:
            yield _Edit(_lines_of(text, source.whole), "")
            continue
        attribute = wanted[source.name]
        if attribute.type != had[source.name].type:
            indent = _indent_at(text, source.whole.start)
            yield _Edit(source.type, type_text(attribute.type, block.namespace, indent))
        if attribute.required != had[source.name].required:
            yield _Edit(source.mark, "" if attribute.required else "?")
    missing = {name: attribute for name, attribute in wanted.items() if name not in had}
    if missing:
        yield from _new_attributes(text, block, declaration, missing)


def _new_attributes(
    text: str, block: Block, declaration: Declaration, missing: dict[str, Attribute]
) -> Iterator[_Edit]:
    indent = _indent_at(text, declaration.whole.start)
    inner = f"{indent}{STEP}"
    lines = "".join(attribute_lines(missing, block.namespace, inner))
    if not declaration.attributes:
        yield _Edit(declaration.shape, f" = {{\n{lines}{indent}}}")
        return
    last, brace = declaration.attributes[-1].whole, declaration.shape.end - 1
    if text[last.end - 1] != ",":
        yield _Edit(Span(last.end, last.end), ",")
    if "\n" in text[last.end : brace]:
        start = text.rindex("\n", 0, brace) + 1
        yield _Edit(Span(start, start), lines)
    else:
        yield _Edit(Span(last.end, brace), f" {' '.join(lines.split()).removesuffix(',')} ")


def _indent_at(text: str, position: int) -> str:
    line = text[text.rfind("\n", 0, position) + 1 : position]
    return line[: len(line) - len(line.lstrip())]


def _lines_of(text: str, span: Span) -> Span:
    """A span with the rest of its lines, if nothing else is on them."""
    start, end = text.rfind("\n", 0, span.start) + 1, text.find("\n", span.end) + 1
    is_alone = end > 0 and not (text[start : span.start] + text[span.end : end]).strip()
    return Span(start, end) if is_alone else span


# What is missing


def _additions(source: Source, schema: Schema, project: Project) -> Iterator[_Edit]:
    """What is not declared yet: each in the namespace it belongs to, after the others of its kind."""
    missing = defaultdict[str, defaultdict[str, list[str]]](lambda: defaultdict(list))
    actions = [action for action in project.actions if action.uid not in schema.actions]
    context = _context_name(schema)
    if not context and project.context.attributes and actions:
        context = _CONTEXT
        names = {name for _, declaration in source.declarations("type") for name in declaration.names}
        for namespace in sorted({_namespace(action.uid.type) for action in actions}):
            if join(namespace, context) not in names:
                line = f"type {context} = {type_text(project.context, namespace)};"
                missing[namespace]["type"].append(line)
    for entity in project.entities:
        if entity.name not in schema.entity_types:
            namespace = _namespace(entity.name)
            missing[namespace]["entity"].append(entity_text(entity, namespace))
    for action in actions:
        namespace = _namespace(action.uid.type)
        missing[namespace]["action"].append(action_text(action, project, context, namespace))
    for namespace, kinds in missing.items():
        yield from _insertions(source, namespace, kinds)


def _insertions(source: Source, namespace: str, kinds: dict[str, list[str]]) -> Iterator[_Edit]:
    block = next((block for block in source.blocks if block.namespace == namespace and block.declarations), None)
    if block is None:
        everything = [declaration for declarations in kinds.values() for declaration in declarations]
        end = len(source.text)
        gap = "\n" if source.text.strip() else ""
        body = "\n\n".join(indented(declaration, STEP if namespace else "") for declaration in everything)
        text = f"namespace {namespace} {{\n{body}\n}}\n" if namespace else f"{body}\n"
        yield _Edit(Span(end, end), gap + text)
        return
    for kind, declarations in kinds.items():
        body = "\n\n".join(indented(declaration, STEP if namespace else "") for declaration in declarations)
        same = [one.whole.end for one in block.declarations if one.kind == kind]
        if kind == "type" and not same:
            start = block.declarations[0].start
            yield _Edit(Span(start, start), f"{body.lstrip()}\n\n{STEP if namespace else ''}")
        else:
            end = max(same or [one.whole.end for one in block.declarations])
            yield _Edit(Span(end, end), f"\n\n{body}")


def _namespace(name: str) -> str:
    return name.rpartition("::")[0]


def _context_name(schema: Schema) -> str:
    """The common type that most actions have as their context; empty if none has one."""
    reader = Reader(str(schema.handle))
    names = Counter(
        join(action.namespace, action.context)
        if join(action.namespace, action.context) in reader.types
        else action.context
        for action in reader.actions.values()
        if isinstance(action.context, str)
    )
    return next((name for name, _ in names.most_common(1)), "")
