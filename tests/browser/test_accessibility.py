"""Every page of the example's own, examined by axe-core for WCAG 2.0, 2.1 and 2.2, levels A and AA.

Pages of Django's admin, REST framework and Swagger UI are not among them: their markup is not ours to mend.
"""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe

from example_project.signin.personas import CARLOS, OLIVIA
from tests.browser.pages import PAGES

OPTIONS = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"],
    "rules": {"target-size": {"enabled": True}},
    "resultTypes": ["violations"],
}
CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast"]}, "resultTypes": ["violations"]}


@pytest.fixture
def visit_bare(visit):
    """Visit without the content security policy: axe-core is a script in the page."""
    return lambda persona: visit(persona, bypass_csp=True)


def violations(page):
    """What breaks a rule in the light scheme, or has too little contrast in the dark one: the rule, where, and why."""
    page.emulate_media(color_scheme="light")
    found = Axe().run(page, options=OPTIONS).response["violations"]
    page.emulate_media(color_scheme="dark")
    found += Axe().run(page, options=CONTRAST).response["violations"]
    return [
        (violation["id"], [(node["html"][:120], node["failureSummary"]) for node in violation["nodes"][:3]])
        for violation in found
    ]


@pytest.mark.parametrize("name", PAGES)
def test_page_is_accessible(name, visit_bare):
    """No violation, in either colour scheme."""
    persona, path, status = PAGES[name]
    visitor = visit_bare(persona)
    visitor.open(path, status=status)

    assert violations(visitor.page) == []


@pytest.mark.parametrize("path", ["/photos/1/edit/", "/albums/summer-2026/upload/"])
def test_form_with_faults_is_accessible(path, visit_bare):
    """A form that comes back tells what is wrong in a way that everybody can read."""
    visitor = visit_bare(OLIVIA)
    visitor.open(path)
    visitor.page.get_by_label("Title").fill("")
    visitor.follow(visitor.page.locator("main form button"))

    field = visitor.page.get_by_label("Title")
    assert field.get_attribute("aria-invalid") == "true"
    assert visitor.page.locator(f"#{field.get_attribute('aria-describedby')}").inner_text() == "This field is required."
    assert violations(visitor.page) == []


def test_unfolded_menu_is_accessible(visit_bare):
    """The menu of albums that take an upload."""
    visitor = visit_bare(CARLOS)
    visitor.open("/?q=nothing+is+called+so")
    visitor.page.locator("summary").click()

    assert violations(visitor.page) == []


def test_a_violation_is_found(visit_bare):
    """A picture without a text in its place would be noticed, and so would a text that is hard to read in the dark."""
    visitor = visit_bare(OLIVIA)
    visitor.open("/photos/1/")
    visitor.page.locator("figure img").evaluate("image => image.removeAttribute('alt')")
    visitor.page.locator("h1").evaluate("heading => heading.style.color = '#211d2e'")

    assert [name for name, _ in violations(visitor.page)] == ["image-alt", "color-contrast"]
