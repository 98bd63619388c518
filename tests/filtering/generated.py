"""Policies that nobody wrote, over entities that are declared anew for each set of them."""

from __future__ import annotations

from pathlib import Path

from django.db import connection
from django.db.models import CharField, F
from django.db.models.functions import Coalesce

from django_avp import entities
from django_avp.cedar import quote
from django_avp.policies import PolicyBuilder, Statement
from django_avp.schema import Schema
from tests.conftest import POOL
from tests.filtering.rows import ADDRESSES, KEYS, LONGS, WORDS
from tests.testapp.models import Box, Item, Room, Shelf

NS = "PhotoFlash::"
SHAPE = {"word": str, "number": int, "flag": bool, "list": [str], "inner": {"word": str, "number": int}}
RECORD = "{ word?: String, number?: Long, flag?: Bool, list?: Set<String>, inner?: { word?: String, number?: Long } }"
# Cedar's name: the ORM path, the kind, the type in a schema.
ITEM = {
    "name": ("name", "String", "String"),
    "memo": ("memo", "String", "String"),
    "flag": ("flag", "Bool", "Bool"),
    "count": ("count", "Long", "Long"),
    "small": ("small", "Long", "Long"),
    "price": ("price", "decimal", "decimal"),
    "at": ("at", "datetime", "datetime"),
    "day": ("day", "datetime", "datetime"),
    "span": ("span", "duration", "duration"),
    "key": ("key", "String", "String"),
    "meta": ("meta", "Record", RECORD),
    "shelf": ("shelf", "Shelf", "Shelf"),
    "owner": ("owner", "User", "User"),
    "keeper": ("keeper", "User", "User"),
    "shelfName": ("shelf__name", "String", "String"),
    "shelfPublic": ("shelf__public", "Bool", "Bool"),
    "shelfOwner": ("shelf__owner", "User", "User"),
    "room": ("shelf__room", "Room", "Room"),
    "tags": ("tags__name", "Set<String>", "Set<String>"),
    "readers": ("readers", "Set<User>", "Set<User>"),
    "boxes": ("boxes", "Set<Box>", "Set<Box>"),
    "scores": ("marks__score", "Set<Long>", "Set<Long>"),
    "authors": ("marks__author", "Set<User>", "Set<User>"),
    "sealed": ("boxes__sealed", "Set<Bool>", "Set<Bool>"),
}
SHELF = {
    "name": ("name", "String", "String"),
    "public": ("public", "Bool", "Bool"),
    "level": ("level", "Long", "Long"),
    "owner": ("owner", "User", "User"),
    "parent": ("parent", "Shelf", "Shelf"),
    "room": ("room", "Room", "Room"),
}
# Computed in Python alone, by kind: the name, and the column.
HIDDEN = {"String": ("hiddenName", "name"), "Bool": ("hiddenFlag", "flag"), "Long": ("hiddenSmall", "small")}
if connection.vendor == "postgresql":
    ITEM["address"] = ("address", "ipaddr", "ipaddr")
    ITEM["words"] = ("words", "Set<String>", "Set<String>")
    ITEM["numbers"] = ("numbers", "Set<Long>", "Set<Long>")
MEMBERS = {"String", "Long", "Bool", "User", "Box"}


class Case:
    """A set of policies, the entities that they are about, and a principal.

    Args:
        random: draws everything.
        has_hidden: whether items have attributes that no database knows.
    """

    def __init__(self, random, *, has_hidden=False):
        self.random = random
        self.has_hidden = has_hidden
        groups = random.sample(["staff", "press"], random.choice([0, 1, 2]))
        # Two of the same kind that own rows, and sometimes one who owns none, or is in other groups.
        self.principals = [("ann", groups), ("bob", groups)]
        self.principals += random.choice([[], [("zoe", groups)], [("ann", ["staff"])]])
        self.item = dict(random.sample(list(ITEM.items()), random.randint(4, 14)))
        self.shelf = dict(random.sample(list(SHELF.items()), random.randint(2, 6)))
        self.has_schema = random.random() < 0.5
        self.context = {"word": random.choice(WORDS), "number": random.choice(LONGS), "list": ["a", "b"]}
        self.item_parents = random.choice([["shelf"], ["shelf"], ["boxes"], []])
        self.shelf_parents = random.choice([["parent"], ["parent", "room"], []])
        self.box_parents = random.choice([[], ["room"]])
        self.shelf_ids = list(Shelf.objects.values_list("pk", flat=True))
        self.box_ids = list(Box.objects.values_list("pk", flat=True))
        self.item_ids = list(Item.objects.values_list("pk", flat=True))
        self.definitions = self._definitions()
        self.schema = self._schema()
        self.texts = [self.policy(number == 0) for number in range(random.randint(1, 4))]

    def _definitions(self):
        class ItemEntity(entities.ModelEntity):
            attributes = {name: path for name, (path, _, _) in self.item.items()}
            parents = self.item_parents
            shapes = {"meta": SHAPE}  # noqa: RUF012

            def attribute_label(self, item):
                return item.memo if item.name is None else item.name

            def expression_label(self):
                return Coalesce("name", "memo", output_field=CharField())

            def attribute_holder(self, item):
                return item.owner

            def expression_holder(self):
                return F("owner")

        if self.has_hidden:
            for name, column in HIDDEN.values():
                setattr(ItemEntity, f"attribute_{name}", lambda self, item, column=column: getattr(item, column))

        class ShelfEntity(entities.ModelEntity):
            attributes = {name: path for name, (path, _, _) in self.shelf.items()}
            parents = self.shelf_parents

        class BoxEntity(entities.ModelEntity):
            attributes = ("sealed",)
            parents = self.box_parents

        class RoomEntity(entities.ModelEntity):
            id_field = "slug"

        return {Item: ItemEntity, Shelf: ShelfEntity, Box: BoxEntity, Room: RoomEntity}

    # Policies

    def policies(self):
        """The policies, parsed."""
        schema = Schema.parse(self.schema) if self.has_schema else None
        builder = PolicyBuilder()
        for number, text in enumerate(self.texts):
            builder.add(Statement(Path("generated.cedar"), number + 1, text), f"policy{number}")
        return builder.build(schema)

    def _schema(self):
        """A schema of what is declared, with attributes that are required, optional, or of the wrong type."""
        item = {**{name: kind for name, (_, _, kind) in self.item.items()}, "label": "String", "holder": "User"}
        item |= {name: kind for kind, (name, _) in HIDDEN.items()} if self.has_hidden else {}
        shelf = {name: kind for name, (_, _, kind) in self.shelf.items()}
        seed = self.random.random()
        required = {"sealed"} if seed < 0.6 else {"sealed", "memo", "small", "level", "tags", "scores"}
        required |= {self.random.choice(sorted(item))} if seed > 0.8 else set()

        def record(attributes):
            return ", ".join(f"{name}{'' if name in required else '?'}: {kind}" for name, kind in attributes.items())

        return f"""namespace PhotoFlash {{
            entity Group; entity Tag; entity User in [Group] = {{ email?: String, level?: Long }};
            entity Room; entity Box in [Room] = {{ sealed: Bool }};
            entity Shelf in [Shelf, Room] = {{ {record(shelf)} }};
            entity Item in [Shelf, Box] = {{ {record(item)} }};
            action Read;
            action View in [Read] appliesTo {{ principal: User, resource: Item, context: {{
                word?: String, number?: Long, list?: Set<String> }} }};
        }}"""

    def policy(self, is_permit):
        """A policy: a scope that may match, and conditions."""
        pick = self.random.choice
        principal = pick(["principal"] * 8 + [f"principal in {self.group()}", f"principal == {self.user()}"])
        action = pick(
            ["action", f'action == {NS}Action::"View"'] + [f'action in [{NS}Action::"Read"]'] * self.has_schema
        )
        place = pick(["shelf", "room", "box"])
        resource = pick(["resource"] * 5 + [f"resource is {NS}Item", f"resource in {self.entity(place)}"])
        resource = pick([resource] * 19 + [f"resource == {self.entity('item')}"])
        conditions = "".join(
            f" {self.random.choice(['when', 'when', 'unless'])} {{ {self.bool(self.random.randint(0, 4))} }}"
            for _ in range(self.random.choice([0, 1, 1, 1, 2]))
        )
        effect = "permit" if is_permit else pick(["permit", "forbid"])
        return f"{effect} ({principal}, {action}, {resource}){conditions};"

    def group(self):
        return f'{NS}Group::"{POOL}|{self.random.choice(["staff", "press", "other"])}"'

    def user(self):
        return f'{NS}User::"{POOL}|{self.random.choice(["ann", "bob", "zoe"])}"'

    def entity(self, kind):
        pick = self.random.choice
        if kind == "room":
            return f'{NS}Room::"{pick(["a", "A", "ab", "a ", "none"])}"'
        if kind == "user":
            return pick([self.user(), "principal"])
        ids = {"shelf": self.shelf_ids, "box": self.box_ids, "item": self.item_ids}[kind]
        return f'{NS}{kind.title()}::"{pick([*map(str, ids), "007", "x", ""])}"'

    # Expressions

    def bool(self, depth):
        """An expression that should be a Bool."""
        pick = self.random.choice
        if depth > 0:
            one, other = (lambda: self.bool(depth - 1)), (lambda: self.bool(depth - 2))
            return pick(
                [
                    lambda: f"({one()} && {other()})",
                    lambda: f"({one()} || {other()})",
                    lambda: f"!({one()})",
                    lambda: f"(if {other()} then {one()} else {other()})",
                    lambda: f"({one()} && {other()})",
                    lambda: self.bool(0),
                ]
            )()
        return pick(
            [
                self.comparison,
                self.comparison,
                self.equality,
                self.equality,
                self.equality,
                self.entity_test,
                self.entity_test,
                self.set_test,
                self.set_test,
                self.has,
                self.like,
                self.odd,
                lambda: self.path("Bool"),
            ]
        )()

    def path(self, kind):
        """An attribute of the kind; any other, if there is none."""
        if self.has_hidden and kind in HIDDEN and self.random.random() < 0.3:
            return f"resource.{HIDDEN[kind][0]}"
        found = [f"resource.{name}" for name, (_, one, _) in self.item.items() if one == kind]
        shelves = [f"resource.{name}" for name, (_, one, _) in self.item.items() if one == "Shelf"]
        for start in list(shelves):
            deeper = [f"{start}.{name}" for name, (_, one, _) in self.shelf.items() if one == "Shelf"]
            shelves += deeper + [f"{one}.parent" for one in deeper]
        found += [f"{start}.{name}" for start in shelves for name, (_, one, _) in self.shelf.items() if one == kind]
        if "meta" in self.item:
            found += {
                "String": ["resource.meta.word", "resource.meta.inner.word"],
                "Long": ["resource.meta.number", "resource.meta.inner.number"],
                "Bool": ["resource.meta.flag"],
                "Set<String>": ["resource.meta.list"],
                "Record": ["resource.meta.inner"],
            }.get(kind, [])
        found += {"String": ["resource.label"], "User": ["resource.holder"]}.get(kind, [])
        return self.random.choice(found or ["resource.missing", "resource.memo"])

    def value(self, kind):
        """A literal, or what stands for one; sometimes another one for each of two kinds of rows."""
        if self.random.random() < 0.1:
            return f"(if {self.path('Bool')} then {self.value(kind)} else {self.value(kind)})"
        pick = self.random.choice
        if kind == "String":
            literals = [quote(pick([*WORDS, "a\0", "\0"])), quote(str(pick(KEYS)))]
            return pick([*literals, "context.word", "principal.email", self.path("String"), self.owner() + ".email"])
        if kind == "Long":
            long = pick(LONGS)
            literal = "(-9223372036854775807 - 1)" if long == -(2**63) else f"({long})"
            return pick(
                [literal, literal, "context.number", "principal.level", self.path("Long"), "(context.number + 1)"]
            )
        if kind == "decimal":
            literals = [
                f'decimal("{text}")' for text in ["0.0", "0.1", "1.5", "-1.5", "1.0001", "12345678.1234", "bad"]
            ]
            return pick([*literals, self.path("decimal")])
        if kind == "datetime":
            moments = ["1970-01-01", "2024-02-29", "2024-02-29T12:00:00.001Z", "1969-12-31T23:59:59.999Z", "0000-01-01"]
            moments += ["9999-12-31T23:59:59.999Z", "2024-02-29T13:00:00+0100", "9999-12-31T23:59:59-1200", "bad"]
            literals = [f'datetime("{moment}")' for moment in moments]
            return pick([*literals, literals[1] + '.offset(duration("-1ms"))', self.path("datetime")])
        if kind == "duration":
            spans = ["0ms", "1ms", "-1ms", "-2d", "1d2h", "106751991167d", "bad"]
            return pick([*(f'duration("{span}")' for span in spans), self.path("duration")])
        if kind == "ipaddr":
            return f'ip("{pick([*ADDRESSES, "10.0.0.0/8", "bad"])}")'
        if kind == "Bool":
            return pick(["true", "false", self.path("Bool")])
        if kind == "User":
            return pick(["principal", self.user(), self.path("User"), self.owner()])
        return self.entity(kind.lower())

    def owner(self):
        return self.path("User")

    def comparison(self):
        kind = self.random.choice(["Long", "Long", "datetime", "duration", "decimal", "ipaddr"])
        left, right = self.random.sample([self.path(kind), self.value(kind)], 2)
        if kind == "ipaddr":
            test = self.random.choice(["isIpv4()", "isIpv6()", f"isInRange({self.value(kind)})", "isLoopback()"])
            return f"{self.path(kind)}.{test}"
        if kind == "decimal":
            name = self.random.choice(["lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual"])
            return f"{left}.{name}({right})"
        return f"{left} {self.random.choice(['<', '<=', '>', '>='])} {right}"

    def equality(self):
        kinds = ["String", "String", "Long", "decimal", "datetime", "duration", "Bool", "User", "User", "ipaddr"]
        kind = self.random.choice([*kinds, "Shelf", "Room", "Record", "Set<String>", "mixed"])
        operator = self.random.choice(["==", "==", "!="])
        if kind == "mixed":
            left, right = (self.path(one) for one in self.random.choices(kinds, k=2))
        elif kind == "Record":
            left = self.path(kind)
            right = self.random.choice(["{}", '{word: "A", number: 2}', '{word: "A"}', "{a: 1}"])
            if self.random.random() < 0.3:
                left, right = f"{{a: {self.path('String')}, b: 1}}", f"{{a: {self.value('String')}, b: 1}}"
        elif kind.startswith("Set"):
            left, right = self.path(kind), self.set("String")
        else:
            left, right = self.path(kind), self.value(kind)
        left, right = self.random.sample([left, right], 2)
        return f"{left} {operator} {right}"

    def entity_test(self):
        pick = self.random.choice
        owner, shelf = self.path("User"), self.path("Shelf")
        room = self.path("Room")
        return pick(
            [
                f"{owner} in {self.group()}",
                f"{owner} in [{self.group()}, principal]",
                f"principal in {owner}",
                f"principal in {self.path('Set<User>')}",
                f"{owner} in {self.path('Set<User>')}",
                f"{owner} is {NS}User",
                f"{owner} is {NS}User in {self.group()}",
                f"{shelf} in {self.entity('shelf')}",
                f"{shelf} in {self.entity('room')}",
                f"{shelf} in [{self.entity('room')}, {self.entity('shelf')}]",
                f"resource in {self.entity(pick(['shelf', 'room', 'box', 'item']))}",
                f"resource in [{self.entity('shelf')}, {self.entity('room')}, {self.entity('box')}]",
                f"resource in {shelf}",
                f"resource in {room}",
                f"{shelf} in {room}",
                f"resource is {NS}Item in {self.entity('room')}",
                f"resource == {self.entity('item')}",
                f"{self.entity('shelf')} in {shelf}",
                f"{owner}.email == principal.email",
                f"{owner}.level >= 2",
                f"principal in {self.group()}",
                f"resource in {self.path('Set<Box>')}",
            ]
        )

    def set(self, kind):
        """A Set written in the policy."""
        return "[" + ", ".join(self.value(kind) for _ in range(self.random.choice([0, 1, 2, 2]))) + "]"

    def set_test(self):
        pick = self.random.choice
        kind = pick(["String", "String", "Long", "User", "Bool"])
        path, literal = self.path(f"Set<{kind}>"), self.set(kind)
        return pick(
            [
                f"{path}.contains({self.value(kind)})",
                f"{path}.contains({self.value(pick(['String', 'Long']))})",
                f"{path}.containsAll({literal})",
                f"{path}.containsAny({literal})",
                f"{literal}.containsAll({path})",
                f"{literal}.containsAny({path})",
                f"{literal}.contains({self.path(kind)})",
                f"{path}.isEmpty()",
                f"{path} == {literal}",
                "context.list.contains(" + self.path("String") + ")",
            ]
        )

    def has(self):
        pick = self.random.choice
        name = pick([*self.item, "missing", "label"])
        shelf = self.path("Shelf")
        return pick(
            [
                f"resource has {name}",
                f"resource has {name}",
                f"{shelf} has {pick(list(self.shelf))}",
                "resource has meta.inner.word" if "meta" in self.item else "resource has a.b",
                f"{self.owner()} has email",
                f"principal has {pick(['email', 'level', 'other'])}",
                "context has word",
                f'resource.hasTag("{name}")',
            ]
        )

    def like(self):
        pick = self.random.choice
        parts = "".join(pick(["*", "a", "A", "%", "_", "\\*", "?", "[", "!", "ä", "\\\\", "\\0", ""]) for _ in range(3))
        return f'{pick([self.path("String"), self.value("String")])} like "{parts}"'

    def odd(self):
        """What is mostly an error."""
        pick = self.random.choice
        name = pick(list(self.item))
        return pick(
            [
                f"resource.{name}",
                f"resource.{name} < 3",
                f"!(resource.{name})",
                f"resource.{name}.contains(1)",
                f'resource.{name} like "a*"',
                f"resource.{name}.deeper == 1",
                "context.number + 1 > 0",
                "-(context.number) < 0",
                f"resource.{name} in {self.group()}",
                'resource.getTag("a") == 1',
                f'{NS}Shelf::"1".public',
                f'{NS}Shelf::"{pick(self.shelf_ids)}".level > 2',
                f"{{a: {self.path('String')}, b: 1}}.b == 1",
                f"(if {self.path('Bool')} then resource else {self.path('Shelf')}) has name",
                f"resource.{name} == resource.{pick(list(self.item))}",
            ]
        )
