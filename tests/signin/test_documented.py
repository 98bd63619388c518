"""The page about the sign-in is true: its five steps lead to a site that people sign in to."""

from __future__ import annotations

from types import ModuleType

from django.shortcuts import render
from django.urls import path

from django_avp.decorators import authorization_not_required
from tests.conftest import POOL
from tests.following import blocks
from tests.processes import ROOT
from tests.signin.conftest import Browser

PAGE = ROOT / "docs" / "sign-in.md"


def test_the_five_steps_lead_to_a_sign_in(pool, settings, db, tmp_path):
    """Settings, addresses and links as the page has them: in, and out again."""
    configured, routes = [block.text for block in blocks(PAGE, "python")][:2]
    names = {"INSTALLED_APPS": ["django_avp"]}
    exec(configured, names)  # noqa: S102 - the page's own
    assert names.pop("INSTALLED_APPS") == ["django_avp", "django_avp.signin"]
    for name in names.keys() - {"__builtins__"}:
        setattr(settings, name, names[name])
    (tmp_path / "page.html").write_text(blocks(PAGE, "django")[0].text)
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]

    urls = ModuleType("documented_urls")
    exec(routes, vars(urls))  # noqa: S102 - the page's own
    urls.urlpatterns.append(path("", authorization_not_required(lambda request: render(request, "page.html"))))
    settings.ROOT_URLCONF = urls

    browser = Browser(pool)
    assert 'href="/sign-in/?next=/"' in browser.get("/").text
    assert browser.sign_in()["Location"] == "/"
    page = browser.get("/")
    assert page.wsgi_request.avp.identity.principal.id == f"{POOL}|ann"
    assert 'action="/sign-out/"' in page.text
    assert browser.post("/sign-out/")["Location"].startswith(f"{pool.url}/logout?")
    assert 'href="/sign-in/?next=/"' in browser.get("/").text
