"""A running example with data of its own, browsers for it, and what its policies decide by Cedar alone."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path

import cedarpy
import httpx
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from django_avp.testing import TokenMint
from example_project.signin.personas import PERSONAS
from tests.processes import PATIENCE, ROOT, serving

POLICIES = ROOT / "example_project" / "policies"
POOL = "eu-west-1_Photo4mo1"
CLIENT_ID = "photoflash-demo"
KEY_FILE = "dev-issuer-key.pem"


@pytest.fixture(autouse=True)
def site():
    """Replace the fixture of all other tests: the site of these is another process."""


@dataclass(frozen=True)
class Demo:
    """The example project as a program with a data directory of its own."""

    data: Path

    @property
    def database(self) -> Path:
        return self.data / "db.sqlite3"

    def environment(self, **variables: str | None) -> dict[str, str]:
        """Nothing of the caller's environment, and every variable that a developer's ``.env`` may set.

        ``None`` leaves a variable out.
        """
        values: dict[str, str | None] = {
            "PATH": os.environ["PATH"],
            "PYTHONUNBUFFERED": "1",
            "DJANGO_SETTINGS_MODULE": "example_project.settings",
            "EXAMPLE_DATA_DIR": str(self.data),
            "EXAMPLE_URL": "http://127.0.0.1:{port}",
            "DEV_ISSUER_TOKEN_SECONDS": "3600",
            "DATABASE_URL": f"sqlite:///{self.database}",
            "DJANGO_DEBUG": "on",
            "DJANGO_DEBUG_TOOLBAR": "off",
            "DJANGO_SECRET_KEY": "only-for-this-run-of-the-tests",
            "DJANGO_ALLOWED_HOSTS": "127.0.0.1,photoflash.example",
            "COGNITO_USER_POOL_ID": "",
            "COGNITO_CLIENT_ID": "",
            "COGNITO_CLIENT_SECRET": "",
            "COGNITO_DOMAIN": "",
            "AVP_ENGINE": "django_avp.engines.cedar.CedarEngine",
            "AVP_POLICY_STORE_ID": "",
            "DJANGO_LOG_JSON": "off",
        }
        return {name: value for name, value in (values | variables).items() if value is not None}

    def python(self, *arguments: str, **variables: str | None) -> subprocess.CompletedProcess[str]:
        """Run Python with the example importable, and return what came out."""
        return subprocess.run(  # noqa: S603 - our own code
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def manage(self, *arguments: str, **variables: str | None) -> subprocess.CompletedProcess[str]:
        """Run ``manage.py``."""
        return self.python("manage.py", *arguments, **variables)


@dataclass(frozen=True)
class Server:
    """The example, being served."""

    url: str
    demo: Demo


@pytest.fixture(scope="session")
def demo(tmp_path_factory) -> Demo:
    """The example with a database that has been migrated and seeded."""
    demo = Demo(tmp_path_factory.mktemp("example") / "data")
    for arguments in (["migrate", "--verbosity=0"], ["seed_demo"]):
        process = demo.manage(*arguments)
        assert process.returncode == 0, process.stderr
    return demo


@pytest.fixture(scope="session")
def server(demo) -> Iterator[Server]:
    """The example behind ``runserver`` on a free port, until the last test is over."""
    log = demo.data / "server.log"
    command = [sys.executable, "manage.py", "runserver", "--noreload", "--no-color", "127.0.0.1:{port}"]
    with serving(command, demo.environment(), log) as url:
        yield Server(url, demo)
    assert "Internal Server Error" not in log.read_text(), log.read_text()


# Browsers


class Browser(httpx.Client):
    """Asks for pages as a browser does, with a session; follows no redirect by itself."""

    def __init__(self, url: str) -> None:
        super().__init__(
            base_url=url,
            headers={"Accept": "text/html"},
            timeout=PATIENCE,
            trust_env=False,
            verify=False,  # noqa: S501 - there is no TLS here, and to load the machine's certificates takes long
            # A development server sends head and body apart: on a connection that is kept, the body waits 40 ms for
            # the acknowledgement of the head.
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    @property
    def session_id(self) -> str | None:
        return self.cookies.get("sessionid")

    def submit(self, address: str, **fields: object) -> httpx.Response:
        """Post a form with the CSRF token that the site gave."""
        return self.post(address, data={**fields, "csrfmiddlewaretoken": self.cookies["csrftoken"]})

    def choose(self, slug: str, **query: str) -> str:
        """Choose a user on the issuer's page, and return the address that it sends the browser to."""
        page = self.get("/sign-in/", params=query).headers["Location"]
        assert "Who do you want to be?" in self.get(page).text
        response = self.submit(page, persona=slug)
        assert response.status_code == 302, response.text
        return response.headers["Location"]

    def sign_in(self, slug: str, **query: str) -> httpx.Response:
        """Sign in as a user, and return what the site says to it."""
        response = self.get(self.choose(slug, **query))
        assert response.status_code == 302, response.text
        return response

    def gallery(self, address: str = "/") -> Iterator[Page]:
        """The pages of a gallery, by their links to older photos."""
        following: str | None = address
        while following:
            response = self.get(following)
            assert response.status_code == 200, response.text
            page = Page(response.text)
            yield page
            older = next((link for link in page.links if link.rel == "next"), None)
            following = str(response.url.join(older.address)) if older else None


@pytest.fixture(scope="session")
def keep_browser(server) -> Iterator[dict[str, Browser]]:
    """The browsers of users who stay signed in."""
    browsers: dict[str, Browser] = {}
    yield browsers
    for browser in browsers.values():
        browser.close()


@pytest.fixture
def browse(server, keep_browser):
    """A browser in which a user is signed in: ``browse("olivia")``; for tests that do not sign out."""

    def browser_of(slug: str) -> Browser:
        if slug not in keep_browser:
            keep_browser[slug] = Browser(server.url)
            keep_browser[slug].sign_in(slug)
        return keep_browser[slug]

    return browser_of


@pytest.fixture
def browser(server) -> Iterator[Browser]:
    """A browser that nobody has used yet."""
    with Browser(server.url) as browser:
        yield browser


@pytest.fixture
def api(server) -> Iterator[httpx.Client]:
    """A program: no cookies, no pages."""
    with Browser(server.url) as client:
        client.headers["Accept"] = "application/json"
        yield client


@pytest.fixture
def issuer_mint(server) -> TokenMint:
    """Signs with the key of the development issuer."""
    key = load_pem_private_key((server.demo.data / KEY_FILE).read_bytes(), password=None)
    return TokenMint(key, pool=POOL, client_id=CLIENT_ID)


@dataclass(frozen=True)
class Link:
    """A link of a page."""

    address: str
    rel: str


@dataclass
class Page(HTMLParser):
    """What tests look for in a page of HTML."""

    html: str
    links: list[Link] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    headings: int = 0
    inline: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take notes."""
        values = dict(attrs)
        self.headings += tag == "h1"
        if tag == "a":
            self.links.append(Link(values["href"] or "", values.get("rel") or ""))
        for address in (values.get("src"), values.get("href") if tag == "link" else None):
            if address and not address.startswith("data:"):
                self.files.append(address)
        if tag in ("script", "style"):
            self.inline.append(tag)
        self.inline += [name for name in values if name == "style" or name.startswith("on")]

    @property
    def addresses(self) -> list[str]:
        """Where the page leads, and what it is made of."""
        return [link.address for link in self.links if not link.address.startswith("#")] + self.files

    @property
    def photos(self) -> dict[int, set[str]]:
        """The photos that are shown, each with its buttons, by the words of their addresses."""
        found: dict[int, set[str]] = {}
        for link in self.links:
            if match := re.fullmatch(r"/photos/(\d+)/(?:(\w+)/)?", link.address):
                found.setdefault(int(match[1]), set()).update(filter(None, [match[2]]))
        return found


# What the policies say, without a line of django_avp


@dataclass(frozen=True)
class Verdict:
    """What Cedar decided, and by which policies."""

    allowed: bool
    policies: frozenset[str]


class Truth:
    """Decides with Cedar alone, from the policy files and the rows of the demo's database."""

    def __init__(self, database: Path) -> None:
        with _reading(database) as rows:
            self.photos = {row["id"]: row for row in rows(PHOTOS)}
            self.albums = {row["slug"]: row for row in rows(ALBUMS)}
            tags = [(row["photo_id"], row["name"]) for row in rows(TAGS)]
        self.policies = cedarpy.PolicySet.from_str(policy_text())
        self.schema = cedarpy.Schema.from_str((POLICIES / "schema.cedarschema").read_text())
        self.entities = cedarpy.Entities.from_json_str(json.dumps([*self._entities(tags)]), self.schema)

    def decide(self, persona, action: str, resource: str) -> Verdict:
        """Decide about a user, an action and a resource such as ``Photo::7``, the last two without a namespace."""
        kind, _, name = resource.partition("::")
        request = {
            "principal": uid("User", persona.principal_id(POOL)),
            "action": uid("Action", action),
            "resource": uid(kind, name),
            "context": {},
        }
        result = cedarpy.is_authorized(request, self.policies, self.entities, self.schema)
        assert not result.diagnostics.errors, result.diagnostics.errors
        return Verdict(result.allowed, frozenset(result.diagnostics.id_annotations_by_reason.values()))

    def gallery(self, persona, *, album: str | None = None) -> dict[int, set[str]]:
        """The photos that a user may see, each with the words of the buttons that belong there."""
        return {
            pk: {
                word
                for word, action in (("edit", "EditPhoto"), ("delete", "DeletePhoto"))
                if self.decide(persona, action, f"Photo::{pk}").allowed
            }
            for pk, photo in self.photos.items()
            if album in (None, photo["album"]) and self.decide(persona, "ViewPhoto", f"Photo::{pk}").allowed
        }

    def _entities(self, tags):
        yield {"uid": uid("Application", "default"), "attrs": {}, "parents": []}
        for persona in PERSONAS:
            groups = [uid("Group", f"{POOL}|{group}") for group in persona.groups]
            yield {"uid": uid("User", persona.principal_id(POOL)), "attrs": {}, "parents": groups}
        for album in self.albums.values():
            attributes = {
                "archived": bool(album["archived"]),
                "is_public": bool(album["is_public"]),
                "owner": {"__entity": uid("User", album["owner"])},
                "title": album["title"],
            }
            yield {
                "uid": uid("Album", album["slug"]),
                "attrs": attributes,
                "parents": [uid("Account", album["account"])],
            }
        for photo in self.photos.values():
            created = datetime.fromisoformat(photo["created"]).isoformat(timespec="milliseconds")
            attributes = {
                "album": {"__entity": uid("Album", photo["album"])},
                "created": {"__extn": {"fn": "datetime", "arg": f"{created}Z"}},
                "is_public": bool(photo["is_public"]),
                "owner": {"__entity": uid("User", photo["owner"])},
                "tags": [name for photo_id, name in tags if photo_id == photo["id"]],
                "title": photo["title"],
            }
            yield {"uid": uid("Photo", photo["id"]), "attrs": attributes, "parents": [uid("Album", photo["album"])]}


PHOTOS = """
    SELECT photo.id, photo.title, photo.is_public, photo.created, album.slug AS album, auth_user.username AS owner
    FROM photos_photo AS photo
    JOIN photos_album AS album ON album.id = photo.album_id
    JOIN auth_user ON auth_user.id = photo.owner_id
    ORDER BY photo.id
"""
ALBUMS = """
    SELECT album.slug, album.title, album.is_public, album.archived, account.slug AS account,
        auth_user.username AS owner
    FROM photos_album AS album
    JOIN photos_account AS account ON account.id = album.account_id
    JOIN auth_user ON auth_user.id = album.owner_id
"""
TAGS = """
    SELECT photo_id, tag.name FROM photos_photo_tags JOIN photos_tag AS tag ON tag.id = tag_id
"""


@contextmanager
def _reading(database: Path):
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        yield lambda query: connection.execute(query).fetchall()


def uid(kind: str, name: object) -> dict[str, str]:
    """An entity's id in Cedar's JSON format."""
    return {"type": f"PhotoFlash::{kind}", "id": str(name)}


def policy_text() -> str:
    """All policies as one text, each share of an album written out as the policy that it is."""
    texts = {path.stem: path.read_text() for path in sorted(POLICIES.glob("*.cedar"))}
    links = json.loads((POLICIES / "template-links.json").read_text())
    templates = {link["templateId"] for link in links}
    linked = [_linked(texts[link["templateId"]], link) for link in links]
    return "\n".join([text for name, text in texts.items() if name not in templates] + linked)


def _linked(text: str, link: dict) -> str:
    text = text.replace(f'@id("{link["templateId"]}")', f'@id("{link["newId"]}")')
    # Not in the comments, which speak of the slots, too.
    lines = [line for line in text.splitlines() if not line.startswith("//")]
    for slot, entity in link["values"].items():
        lines = [line.replace(slot, f'{entity["type"]}::"{entity["id"]}"') for line in lines]
    return "\n".join(lines)


@pytest.fixture
def truth(demo) -> Truth:
    """What the policies decide about the database as it is now."""
    return Truth(demo.database)
