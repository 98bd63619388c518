"""Somebody who uses the example in a browser, and remembers everything that went wrong meanwhile."""

from __future__ import annotations

import re
from contextlib import contextmanager
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Request, Response, expect

# The links that a person can see, wherever on the page they stand.
VISIBLE_LINKS = """
    () => [...document.querySelectorAll("a[href]")]
        .filter(link => link.checkVisibility({visibilityProperty: true}))
        .map(link => link.getAttribute("href"))
"""
# What a link offers to do, and to what.
OFFERS = {
    r"/photos/(\d+)/": ("ViewPhoto", "Photo"),
    r"/photos/(\d+)/edit/": ("EditPhoto", "Photo"),
    r"/photos/(\d+)/delete/": ("DeletePhoto", "Photo"),
    r"/albums/([\w-]+)/": ("ViewAlbum", "Album"),
    r"/albums/([\w-]+)/upload/": ("UploadPhoto", "Album"),
}
# The console tells what the policy of a page has refused, and for scripts and styles only that.
TELL_VIOLATIONS = """
    addEventListener("securitypolicyviolation", event =>
        console.error(`violates ${event.effectiveDirective}: ${event.blockedURI}`))
"""


class Visitor:
    """A browser context with one page.

    Attributes:
        page: Playwright's page.
        notes: what went wrong, each with the address it is about.
    """

    def __init__(self, context: BrowserContext, home: str) -> None:
        self.home = home
        self.notes: list[tuple[str, str]] = []
        self._refusals: set[str] = set()
        context.add_init_script(TELL_VIOLATIONS)
        context.on("console", self._note_console)
        context.on("weberror", lambda error: self._note(self.page.url, f"uncaught: {error.error}"))
        context.on("request", self._note_request)
        context.on("requestfailed", self._note_failure)
        context.on("response", self._note_response)
        self.context = context
        self.page: Page = context.new_page()

    # What a person does

    def sign_in(self, persona) -> None:
        """Ask for the gallery, and be asked who one is."""
        self.open("/")
        self.choose(persona)

    def choose(self, persona) -> None:
        """Answer who one is. That a button has the name is all that these tests know of how people sign in."""
        self.follow(self.page.get_by_role("button", name=persona.name))
        expect(self.page.get_by_role("banner")).to_contain_text(persona.name)

    def sign_out(self) -> None:
        """Leave."""
        self.follow(self.page.get_by_role("button", name="Sign out"))

    def open(self, path: str, status: int = 200) -> Response:
        """Type an address, and have its answer."""
        with self.arriving(status) as arrived:
            self.page.goto(path)
        return arrived.value

    def follow(self, locator: Locator, status: int = 200) -> Response:
        """Click what leads to another page, and have its answer."""
        with self.arriving(status) as arrived:
            locator.click()
        return arrived.value

    @contextmanager
    def arriving(self, status: int = 200):
        """Do in the block what leads to another page, whose answer has the status; a refusal is no fault then."""
        with self.page.expect_navigation() as navigation:
            yield navigation
        answer = navigation.value
        assert answer.status == status, f"{answer.url}: {answer.status}"
        if status >= 400:
            self._refusals.add(answer.url)

    def offers(self) -> set[tuple[str, str]]:
        """The actions that links of the page offer, each with its resource as the policies name it."""
        found = set()
        for address in self.page.evaluate(VISIBLE_LINKS):
            for pattern, (action, kind) in OFFERS.items():
                if match := re.fullmatch(pattern, address):
                    found.add((action, f"{kind}::{match[1]}"))
        return found

    def leave(self) -> list[str]:
        """Close the browser, and tell the faults of the visit."""
        self.page.evaluate("document.readyState")  # what the browser has said until here has arrived with the answer
        self.context.close()
        return [f"{url} {text}" for url, text in self.notes if url not in self._refusals or "status of" not in text]

    # What must not happen

    def _note(self, url: str, text: str) -> None:
        self.notes.append((url, text))

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._note(message.location["url"], f"{message.type}: {message.text}")

    def _note_request(self, request: Request) -> None:
        if urlsplit(request.url).scheme != "data" and not request.url.startswith(f"{self.home}/"):
            self._note(request.url, "is elsewhere")

    def _note_failure(self, request: Request) -> None:
        # A page that is left does without what has not come yet, such as its icon.
        if request.failure != "net::ERR_ABORTED":
            self._note(request.url, f"failed: {request.failure}")

    def _note_response(self, response: Response) -> None:
        if response.status >= 400:
            self._note(response.url, f"a status of {response.status}")
