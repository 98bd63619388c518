"""The people of the demo: the development issuer signs tokens for them, ``seed_demo`` gives them photos."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Persona:
    """Somebody to sign in as.

    Attributes:
        sub: the user's id in the pool.
        name: how pages call the user.
        role: what the user stands for, in two words.
        groups: Cognito groups.
        powers: what the policies let the user do, for the sign-in page.
    """

    sub: str
    name: str
    role: str
    groups: tuple[str, ...]
    powers: tuple[str, ...]

    @property
    def slug(self) -> str:
        """The name as a word for addresses and user names."""
        return self.name.lower()

    def principal_id(self, pool: str) -> str:
        """The id that Verified Permissions gives the user; the Django user has it as its ``username``."""
        return f"{pool}|{self.sub}"


OLIVIA = Persona(
    "6a0f9d3e-1c5b-4d0a-9a53-0c9f1b7e0001",
    "Olivia",
    "account owner",
    ("viewers", "northlight-owners"),
    ("Edits and deletes every photo of Northlight Studio", "Not even she can change the archive"),
)
HUGO = Persona(
    "6a0f9d3e-1c5b-4d0a-9a53-0c9f1b7e0002",
    "Hugo",
    "album owner",
    ("viewers",),
    ("Rules the two albums of Harbour Press: they are his", "Sees what is public elsewhere"),
)
CARLOS = Persona(
    "6a0f9d3e-1c5b-4d0a-9a53-0c9f1b7e0003",
    "Carlos",
    "contributor",
    ("viewers", "contributors"),
    ("Uploads to Northlight's public albums", "Edits and deletes photos of his own", "Was given “Front pages” to see"),
)
MIRA = Persona(
    "6a0f9d3e-1c5b-4d0a-9a53-0c9f1b7e0004",
    "Mira",
    "moderator",
    ("viewers", "moderators"),
    ("Deletes any public photo, edits none", "Does not see private photos"),
)
VICTOR = Persona(
    "6a0f9d3e-1c5b-4d0a-9a53-0c9f1b7e0005",
    "Victor",
    "viewer",
    ("viewers",),
    ("Sees what is public, changes nothing", "Was given “Studio drafts” to see, a private album"),
)
SAM = Persona(
    "6a0f9d3e-1c5b-4d0a-9a53-0c9f1b7e0006",
    "Sam",
    "suspended",
    ("viewers", "contributors", "suspended"),
    ("Sees photos of his own and nothing else", "Changes nothing: a forbid wins over every permit"),
)
NADIA = Persona(
    "6a0f9d3e-1c5b-4d0a-9a53-0c9f1b7e0007",
    "Nadia",
    "newcomer",
    (),
    ("Is in no group yet", "Sees photos that are tagged “press”"),
)

PERSONAS = (OLIVIA, HUGO, CARLOS, MIRA, VICTOR, SAM, NADIA)
