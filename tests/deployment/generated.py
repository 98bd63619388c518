"""Generated sets of policies, templates and links over small types, alike enough that a push changes some of each."""

from __future__ import annotations

from tests.deployment.support import state

PRINCIPALS = {
    "static": ["principal", 'principal == U::"ann"', 'principal in G::"staff"', "principal is U"],
    "template": ["principal == ?principal", "principal in ?principal", "principal"],
}
ACTIONS = [
    "action",
    'action == Action::"read"',
    'action in [Action::"read", Action::"write"]',
    'action in Action::"any"',
]
RESOURCES = {
    "static": ["resource", 'resource == F::"1"', 'resource in F::"top"'],
    "template": ["resource == ?resource", "resource in ?resource", "resource"],
}
CONDITIONS = ["", "", "when { resource.open }", "unless { resource.open }", "when { context.mfa }"]
CONDITIONS += ["unless { principal.level > 1 }", "when { resource has open && resource.open }"]
USERS = [("U", "ann"), ("U", "bob"), ("G", "staff")]
FILES = [("F", "1"), ("F", "2"), ("F", "top")]
# Ids that cannot be names in the store are known by their @id.
STATIC_IDS = ["a", "b", "c/d", "e f"]
TEMPLATE_IDS = ["t", "u v"]
LINK_IDS = ["l", "m", "n/o", "a"]


def statement(random, item_id, kind):
    """A statement; ``kind`` is ``"static"`` or ``"template"``."""
    principal, resource = random.choice(PRINCIPALS[kind]), random.choice(RESOURCES[kind])
    if kind == "template" and "?" not in principal + resource:
        principal = "principal == ?principal"
    effect = random.choice(["permit", "permit", "forbid"])
    action, condition = random.choice(ACTIONS), random.choice(CONDITIONS)
    return f'@id("{item_id}") {effect} ({principal}, {action}, {resource}) {condition};'


def policies(random):
    """A state."""
    static = {one: statement(random, one, "static") for one in STATIC_IDS if random.random() < 0.6}
    templates = {one: statement(random, one, "template") for one in TEMPLATE_IDS if random.random() < 0.8}
    return _state(random, static, templates, {})


def variation(random, before):
    """A state that has some of what another one has."""
    kept = {key: item for key, item in before.policies.items() if random.random() < 0.5}
    static = {key: item.text for key, item in kept.items() if item.text}
    static |= {one: _varied(random, before.policies, one, "static") for one in STATIC_IDS if random.random() < 0.3}
    templates = {key: item.text for key, item in before.templates.items() if random.random() < 0.6}
    templates |= {
        one: _varied(random, before.templates, one, "template") for one in TEMPLATE_IDS if random.random() < 0.5
    }
    links = {key: (item.template, item.values) for key, item in kept.items() if item.template in templates}
    return _state(random, static, templates, links)


def _varied(random, items, item_id, kind):
    """Another statement, or the same with another condition, which the service can change in place."""
    known = items[item_id].text if item_id in items else ""
    if known and random.random() < 0.6:
        return f"{known[: known.rindex(')', 0, known.find('{') if '{' in known else len(known)) + 1]} " + (
            f"{random.choice(CONDITIONS)};"
        )
    return statement(random, item_id, kind)


def _state(random, static, templates, links):
    filled = []
    for link_id in LINK_IDS:
        if link_id in static or not templates:
            continue
        template, values = links.get(link_id, (None, ()))
        if template is None and random.random() < 0.6:
            template = random.choice(sorted(templates))
        if template is None:
            continue
        given = {slot: (kind, uid) for slot, kind, uid in values}
        slots = {"?principal": USERS, "?resource": FILES}
        new = {
            slot: given.get(slot, random.choice(choices))
            for slot, choices in slots.items()
            if slot in templates[template]
        }
        filled.append((link_id, template, new))
    return state("\n".join([*static.values(), *templates.values()]), filled)
