"""The content of the demo: two accounts, six albums and 66 photos, always the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from example_project.signin.personas import CARLOS, HUGO, OLIVIA, SAM, Persona

ACCOUNTS = {"northlight": "Northlight Studio", "harbour": "Harbour Press"}

FIRST_PHOTO_TAKEN = datetime(2026, 6, 1, 6, 40, tzinfo=UTC)
BETWEEN_PHOTOS = timedelta(hours=29, minutes=17)


@dataclass(frozen=True, slots=True)
class DemoAlbum:
    """An album with its photos, a line each: ``title | motif | owner | public or private | tags``."""

    slug: str
    title: str
    account: str
    owner: Persona
    cover: str
    lines: str
    is_public: bool = True
    archived: bool = False

    @property
    def photos(self) -> list[DemoPhoto]:
        """The photos that the lines describe."""
        return [DemoPhoto.parse(line) for line in self.lines.strip().splitlines()]


@dataclass(frozen=True, slots=True)
class DemoPhoto:
    """A photo of an album."""

    title: str
    motif: str
    owner: Persona
    is_public: bool
    tags: tuple[str, ...]

    @classmethod
    def parse(cls, line: str) -> DemoPhoto:
        """Read one line of an album."""
        title, motif, owner, visibility, tags = (part.strip() for part in line.split("|"))
        return cls(title, motif, _OWNERS[owner], visibility == "public", tuple(tags.split()))


_OWNERS = {persona.slug: persona for persona in (OLIVIA, HUGO, CARLOS, SAM)}

ALBUMS = (
    DemoAlbum(
        "summer-2026",
        "Summer 2026",
        "northlight",
        OLIVIA,
        "coral",
        """
        First light on the ridge  | mountains | olivia | public  | travel morning
        Three sails out           | sea       | carlos | public  | sea travel
        Over the valley at seven  | balloons  | carlos | public  | travel press
        The meadow behind Lindhof | meadow    | olivia | public  | flowers
        Noon in the dunes         | desert    | sam    | public  | travel heat
        Where the road ends       | mountains | carlos | private | travel
        Quiet harbour mouth       | sea       | olivia | public  | sea evening
        Balloon day               | balloons  | sam    | public  | festival
        Poppies after the rain    | meadow    | carlos | public  | flowers
        Last ferry                | sea       | olivia | private | sea evening
        Above the clouds          | mountains | carlos | public  | travel
        """,
    ),
    DemoAlbum(
        "night-skies",
        "Night skies",
        "northlight",
        OLIVIA,
        "indigo",
        """
        Green curtain             | aurora    | carlos | public  | night winter
        Windows at eleven         | city      | olivia | public  | night city
        Lights over the cabin     | aurora    | olivia | public  | night winter
        Rooftops, new moon        | city      | sam    | public  | night city
        A night without wind      | aurora    | carlos | public  | night press
        The long exposure         | aurora    | sam    | private | night
        Downtown from the hill    | city      | carlos | public  | city
        Northern station          | aurora    | olivia | private | winter
        Blue hour, quarter nine   | city      | carlos | public  | city evening
        Violet night              | aurora    | olivia | public  | night winter
        Last tram                 | city      | carlos | private | city night
        """,
    ),
    DemoAlbum(
        "studio-drafts",
        "Studio drafts",
        "northlight",
        OLIVIA,
        "graphite",
        """
        Study in quarter circles  | geometry  | olivia | private | draft
        Cover, first idea         | geometry  | olivia | private | draft cover
        Firs, too many            | forest    | carlos | private | draft
        Poster with a red disc    | geometry  | olivia | private | draft press
        Test print 14             | desert    | carlos | private | draft
        Stripes against sand      | geometry  | olivia | private | draft
        Unfinished meadow         | meadow    | sam    | private | draft
        Cover, second idea        | geometry  | olivia | private | draft cover
        Mist, version three       | forest    | olivia | private | draft
        Teal and ochre            | geometry  | carlos | private | draft
        The rejected one          | balloons  | olivia | private | draft
        """,
        is_public=False,
    ),
    DemoAlbum(
        "archive-2019",
        "Archive 2019",
        "northlight",
        OLIVIA,
        "sand",
        """
        The old observatory road  | mountains | olivia | public  | travel
        Caravan                   | desert    | olivia | public  | travel heat
        Firs at dusk              | forest    | carlos | public  | evening
        Red dune, no wind         | desert    | carlos | public  | heat
        Winter cabin              | aurora    | olivia | public  | winter
        The lake we never named   | mountains | olivia | public  | travel press
        Morning in the woods      | forest    | sam    | public  | morning
        Before the storm          | sea       | carlos | public  | sea
        Skyline, unretouched      | city      | olivia | private | city
        Spring, a little late     | meadow    | olivia | public  | flowers
        Cactus country            | desert    | carlos | public  | heat travel
        """,
        archived=True,
    ),
    DemoAlbum(
        "harbour-life",
        "Harbour life",
        "harbour",
        HUGO,
        "teal",
        """
        Fishing fleet, going out  | sea       | hugo   | public  | sea work
        Night shift               | city      | hugo   | public  | night work
        Regatta                   | sea       | hugo   | public  | sea festival
        Fog in the pines          | forest    | hugo   | public  | morning
        Two sails and a sun       | sea       | carlos | public  | sea evening
        Crane quarter             | city      | hugo   | private | city work
        Market balloons           | balloons  | hugo   | public  | festival press
        Low tide                  | sea       | hugo   | public  | sea
        The hill above the port   | mountains | hugo   | public  | travel
        Breakwater flowers        | meadow    | hugo   | public  | flowers
        Contract negotiations     | geometry  | hugo   | private | work
        """,
    ),
    DemoAlbum(
        "front-pages",
        "Front pages",
        "harbour",
        HUGO,
        "rose",
        """
        Power cut, one in the morning | city  | hugo   | private | press city
        Ferry strike                  | sea   | hugo   | private | sea work
        Solar storm                   | aurora | hugo  | private | press night
        Heat record                   | desert | hugo  | private | heat
        Forest fire warning           | forest | hugo  | private | press
        The vanished beach            | sea    | hugo  | private | sea
        Festival opens                | balloons | hugo | private | press festival
        Election graphic              | geometry | hugo | private | work
        Avalanche season              | mountains | hugo | private | winter
        City of the year              | city   | hugo  | private | city
        Flower show                   | meadow | hugo  | private | flowers
        """,
        is_public=False,
    ),
)


def timeline() -> list[tuple[DemoAlbum, DemoPhoto, int, datetime]]:
    """Album, photo, seed and date of every photo, the albums taking turns so that each page shows all of them."""
    turns = [
        (album, photo)
        for turn in zip(*(album.photos for album in ALBUMS), strict=True)
        for album, photo in zip(ALBUMS, turn, strict=True)
    ]
    return [
        (album, photo, number, FIRST_PHOTO_TAKEN + (number - 1) * BETWEEN_PHOTOS)
        for number, (album, photo) in enumerate(turns, start=1)
    ]
