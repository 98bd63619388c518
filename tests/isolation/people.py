"""Fifty users with rights that no two of them share, and what each page must tell each of them.

What a page must tell follows from a user's number alone: neither the site nor an engine is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.settings import AVP_USER_POOLS

POOL = next(iter(AVP_USER_POOLS))
USERS = 50
PHOTOS = 6
LEAVERS = 6
"""So many of the users are deactivated and activated again meanwhile."""

NOBODY = ""


@dataclass(frozen=True)
class Person:
    """One of the users. View is by groups of the token, edit by rows, delete by a claim, moderate by the request."""

    number: int

    @property
    def sub(self) -> str:
        return f"user-{self.number}"

    @property
    def principal_id(self) -> str:
        return f"{POOL}|{self.sub}"

    @property
    def email(self) -> str:
        return f"{self.sub}@example.com"

    @property
    def level(self) -> str:
        return title(self.number % PHOTOS + 1)

    @property
    def groups(self) -> list[str]:
        return [f"cell-{photo}" for photo in viewed(self.number)]

    @property
    def claims(self) -> dict[str, str]:
        return {"email": self.email, "custom:level": self.level}

    @property
    def view(self) -> str:
        return _bits(self.number + 1)

    @property
    def edit(self) -> str:
        return "".join("1" if photo in edited(self.number) else "0" for photo in range(1, PHOTOS + 1))

    @property
    def delete(self) -> str:
        return _bits(2 ** (self.number % PHOTOS))


PEOPLE = [Person(number) for number in range(USERS)]
NOTHING = "0" * PHOTOS


def title(photo: int) -> str:
    return f"photo {photo}"


def viewed(number: int) -> list[int]:
    """The photos that a user may see."""
    return list(_ones(number + 1))


def edited(number: int) -> list[int]:
    """The photos that a user may edit."""
    return sorted({number % PHOTOS + 1, number // PHOTOS % PHOTOS + 1})


def truth(person: Person | None, note: str, *, is_active: bool = True) -> dict[str, object]:
    """All that any page may tell; a page tells a part of it.

    Args:
        person: who asks; ``None`` for nobody.
        note: what the request says, which one policy compares with the claim of who asks.
        is_active: whether the user has not been deactivated.
    """
    if person is None or not is_active:
        told = {"view": NOTHING, "edit": NOTHING, "delete": NOTHING, "moderate": False, "user": NOBODY}
        return {**told, "who": NOBODY if person is None else person.principal_id, "note": note}
    editable = edited(person.number)
    return {
        "who": person.principal_id,
        "user": person.principal_id,
        "note": note,
        "view": person.view,
        "edit": person.edit,
        "delete": person.delete,
        "moderate": note == person.email,
        "rows": [
            {"id": photo, "may": {"EditPhoto": photo in editable, "DeletePhoto": title(photo) == person.level}}
            for photo in viewed(person.number)
        ],
    }


def policies() -> str:
    """The policies by which all this is so."""
    cells = "".join(
        f'@id("cell-{photo}") permit (principal in PhotoFlash::Group::"{POOL}|cell-{photo}",'
        f' action == PhotoFlash::Action::"ViewPhoto", resource == PhotoFlash::Photo::"{photo}");\n'
        for photo in range(1, PHOTOS + 1)
    )
    return f"""{cells}
@id("lists") permit (principal is PhotoFlash::User, action == PhotoFlash::Action::"ListPhotos", resource);
@id("viewers") permit (principal is PhotoFlash::User, action == PhotoFlash::Action::"EditPhoto", resource)
when {{ resource.viewers.contains(principal) }};
@id("level") permit (principal, action == PhotoFlash::Action::"DeletePhoto", resource)
when {{ principal has "custom:level" && resource has title && resource.title == principal["custom:level"] }};
@id("note") permit (principal, action == PhotoFlash::Action::"Moderate", resource)
when {{ context has note && principal has email && context.note == principal.email }};
"""


def _bits(number: int) -> str:
    """A letter for each photo."""
    return "".join("1" if number >> photo & 1 else "0" for photo in range(PHOTOS))


def _ones(number: int) -> Iterator[int]:
    return (photo for photo in range(1, PHOTOS + 1) if number >> (photo - 1) & 1)
