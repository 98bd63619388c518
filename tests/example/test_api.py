"""The example's API over HTTP: what each user gets and may do, held against the policies; and any request at all."""

from __future__ import annotations

import functools
import shutil
import sys

import pytest
import requests
import schemathesis
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_avp.testing import TokenMint
from example_project.signin.personas import CARLOS, OLIVIA, PERSONAS, SAM
from tests.example.conftest import CLIENT_ID, KEY_FILE, POOL, Browser, Demo, Server, Truth
from tests.processes import serving

everybody = pytest.mark.parametrize("persona", PERSONAS, ids=lambda persona: persona.slug)
ACTIONS = ("ViewPhoto", "EditPhoto", "DeletePhoto")
WRITES = {"PUT": "EditPhoto", "PATCH": "EditPhoto", "DELETE": "DeletePhoto"}


@pytest.fixture
def program(server, issuer_mint):
    """A program that sends a user's token."""
    with Browser(server.url) as client:
        client.headers["Accept"] = "application/json"

        def of(persona):
            client.headers["Authorization"] = f"Bearer {issuer_mint.id_token(persona.sub, groups=persona.groups)}"
            return client

        yield of


def rows(client, address):
    """All rows of a list, page by page; their number is the one that is told."""
    found, following = [], address
    while following:
        page = client.get(following).raise_for_status().json()
        found += page["results"]
        following = page["next"]
    assert len(found) == page["count"]
    return found


def cost(response):
    """Rounds and checks, as the developer tools show them."""
    description = response.headers["Server-Timing"].partition('desc="')[2].strip('"')
    return [int(part.split()[0]) for part in description.split(", ")]


@everybody
def test_lists_are_what_policies_decide(persona, program, truth):
    """Photos, albums and the photos of each, with what may be done with them; what is hidden is not counted."""
    client = program(persona)
    photos = {
        pk: {action: truth.decide(persona, action, f"Photo::{pk}").allowed for action in ACTIONS} for pk in truth.photos
    }
    seen = {pk: may for pk, may in photos.items() if may["ViewPhoto"]}
    albums = [slug for slug in truth.albums if truth.decide(persona, "ViewAlbum", f"Album::{slug}").allowed]

    assert {row["id"]: row["may"] for row in rows(client, "/api/photos/")} == seen
    assert {row["slug"] for row in rows(client, "/api/albums/")} == set(albums)
    for slug in truth.albums:
        address = f"/api/albums/{slug}/photos/"
        if slug in albums:
            listed = {row["id"] for row in rows(client, address)}
            assert listed == {pk for pk in seen if truth.photos[pk]["album"] == slug}
        else:
            assert client.get(address).status_code == 403


@everybody
def test_photos_are_seen_changed_and_refused_as_policies_decide(persona, program, truth, server):
    """What is hidden is 404, what is refused 403 with the policies that refuse it; in one round each."""
    client = program(persona)
    kinds = {}
    for pk in truth.photos:
        decided = truth.decide(persona, "EditPhoto", f"Photo::{pk}")
        is_seen = truth.decide(persona, "ViewPhoto", f"Photo::{pk}").allowed
        # One photo of each kind.
        kinds[is_seen, decided] = pk
    for (is_seen, decided), pk in kinds.items():
        response = client.get(f"/api/photos/{pk}/")
        assert response.status_code == (200 if is_seen else 404)
        assert cost(response)[0] == 1
        if not decided.allowed:
            refused = client.patch(f"/api/photos/{pk}/", json={"title": "Taken over"})
            assert refused.status_code == (403 if is_seen else 404)
            assert cost(refused)[0] == 1
            if is_seen:
                assert set(refused.json()["policies"]) == decided.policies
    assert Truth(server.demo.database).photos == truth.photos


def test_a_photo_comes_changes_and_goes(program, truth, server):
    """What policies permit works, and belongs to the one who did it."""
    client = program(CARLOS)
    data = {"title": "By a program", "motif": "sea", "seed": 4711, "tags": ["sea"], "is_public": True}
    for slug in truth.albums:
        allowed = truth.decide(CARLOS, "UploadPhoto", f"Album::{slug}").allowed
        created = client.post(f"/api/albums/{slug}/photos/", json=data)
        assert created.status_code == (201 if allowed else 403)
        if allowed:
            pk = created.json()["id"]
            assert Truth(server.demo.database).photos[pk]["owner"] == CARLOS.principal_id(POOL)
            assert created.json()["may"] == dict.fromkeys(ACTIONS, True)
            changed = client.patch(f"/api/photos/{pk}/", json={"title": "Changed", "album": "studio-drafts"})
            assert (changed.json()["title"], changed.json()["album"]) == ("Changed", slug)
            assert client.delete(f"/api/photos/{pk}/").status_code == 204
    assert Truth(server.demo.database).photos == truth.photos


def test_nobody_gets_anything(server):
    """401 with a challenge, everywhere but at the description of the API."""
    with Browser(server.url) as client:
        client.headers["Accept"] = "application/json"
        for address in ("/api/", "/api/photos/", "/api/photos/1/", "/api/albums/", "/api/albums/night-skies/photos/"):
            response = client.get(address)
            assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert client.get("/api/schema/").status_code == 200
        assert client.get("/api/docs/", headers={"Accept": "text/html"}).status_code == 200


def test_the_schema_is_valid(demo):
    """By OpenAPI's own schema, and nothing in it was guessed."""
    process = demo.manage("spectacular", "--validate", "--fail-on-warn")
    assert process.returncode == 0, process.stderr
    assert "x-cedar-action: UploadPhoto" in process.stdout


def test_the_browsable_api_has_the_forms_that_work(browse, truth):
    """In a browser, by the session that the sign-in page made; a form without its CSRF token is refused."""
    edited = next(pk for pk, words in truth.gallery(OLIVIA).items() if words == {"edit", "delete"})
    page = browse("olivia").get(f"/api/photos/{edited}/")
    assert 'data-method="DELETE"' in page.text
    assert cost(page) == [1, 1, 3]
    seen = next(pk for pk, words in truth.gallery(SAM).items() if not words)
    page = browse("sam").get(f"/api/photos/{seen}/")
    assert 'data-method="DELETE"' not in page.text
    assert 'name="title"' not in page.text
    assert browse("olivia").delete(f"/api/photos/{edited}/").status_code == 403
    assert 'src="http' not in page.text


# Any request at all


@pytest.fixture(scope="module")
def played_with(demo, tmp_path_factory):
    """Another example, whose photos may be changed and deleted."""
    copy = Demo(tmp_path_factory.mktemp("played") / "data")
    shutil.copytree(demo.data, copy.data)
    command = [sys.executable, "manage.py", "runserver", "--noreload", "--no-color", "127.0.0.1:{port}"]
    with serving(command, copy.environment(), copy.data / "server.log") as url:
        yield Server(url, copy)


@pytest.fixture(scope="module")
def operations(played_with):
    """The operations of the OpenAPI schema."""
    schema = schemathesis.openapi.from_url(f"{played_with.url}/api/schema/?format=json")
    return [result.ok() for result in schema.get_all_operations()]


class Watched:
    """The example as it is now, and what its policies decide about that."""

    def __init__(self, database):
        self.truth = Truth(database)
        self.decide = functools.cache(lambda *question: self.truth.decide(*question).allowed)


@pytest.mark.parametrize("persona", [OLIVIA, CARLOS, SAM], ids=lambda persona: persona.slug)
def test_any_request_gets_what_its_user_may_see(persona, played_with, operations):
    """As schemathesis makes them of the schema, about photos and albums that are there and others; at least 340."""
    key = load_pem_private_key((played_with.demo.data / KEY_FILE).read_bytes(), password=None)
    token = TokenMint(key, pool=POOL, client_id=CLIENT_ID).id_token(persona.sub, groups=persona.groups)
    sent = {operation.label: 0 for operation in operations}
    watched = [Watched(played_with.demo.database)]
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Connection"] = "close"  # see Browser
        for operation in operations:

            @given(case=operation.as_strategy(), data=st.data())
            @settings(
                max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
            )
            def try_it(case, data):
                (before,) = watched
                point_at_something(case, data, before.truth)
                headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
                response = case.call(base_url=played_with.url, session=session, headers=headers)
                sent[case.operation.label] += 1
                if case.method != "GET" and response.status_code < 300:
                    watched[:] = [Watched(played_with.demo.database)]
                judge(case, response, persona, before, *watched)

            try_it()
    assert all(sent.values())
    assert sum(sent.values()) >= 340
    assert Truth(played_with.demo.database).photos == watched[0].truth.photos


def point_at_something(case, data, truth):
    """Most of the time, name what is there."""
    there = {"id": list(truth.photos), "album_slug": list(truth.albums), "slug": list(truth.albums)}
    for name in case.path_parameters or {}:
        if data.draw(st.integers(0, 3)):
            case.path_parameters[name] = data.draw(st.sampled_from(there[name]))


def judge(case, response, persona, before, after):
    """Nothing breaks, nothing is told that may not be seen, nothing is done that may not be done."""
    assert response.status_code < 500, (case.method, response.url, response.text)
    is_json = response.headers.get("Content-Type") == "application/json"
    body = response.json() if is_json else {}
    is_done = response.status_code < 300
    for row in body.get("results", [body]) if isinstance(body, dict) else ():
        if "id" in row and case.method == "GET":
            assert row["may"] == {action: after.decide(persona, action, f"Photo::{row['id']}") for action in ACTIONS}
            assert row["may"]["ViewPhoto"], row
        elif "slug" in row:
            assert after.decide(persona, "ViewAlbum", f"Album::{row['slug']}"), row
    if case.method == "POST" and is_done:
        assert before.decide(persona, "UploadPhoto", f"Album::{case.path_parameters['album_slug']}"), body
    if case.method in WRITES and is_done:
        for action in ("ViewPhoto", WRITES[case.method]):
            assert before.decide(persona, action, f"Photo::{case.path_parameters['id']}"), body
