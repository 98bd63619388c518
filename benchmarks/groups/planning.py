"""What it costs to know a gallery page's checks before it is rendered, beside rendering it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.template import engines
from django.test import RequestFactory
from django.urls import resolve

from benchmarks.core import Case, Group, Row, Wrong
from django_avp.authorization import Authorization
from django_avp.identity import Identity
from django_avp.planning import plan_template
from example_project.photos.views import Gallery
from example_project.signin.personas import OLIVIA

__all__ = ["build"]

STEPS = ("collect", "plan", "decide", "render")
Asked = Sequence[tuple[Sequence[str], Sequence[Any]]]


def build(directory: Path, *, is_quick: bool) -> Group:
    """The cases: the steps of each of three pages, every one with a request of its own."""
    call_command("migrate", run_syncdb=True, verbosity=0)
    call_command("seed_demo", verbosity=0)
    response: Any = Gallery.as_view()(_request())
    names = {**response.context_data, "photos": list(response.context_data["photos"])}
    photos, albums = names["photos"], names["albums"]
    gallery: Asked = [(["EditPhoto", "DeletePhoto"], photos), (["ViewAlbum", "UploadPhoto"], albums)]
    buttons: Asked = [(["ViewPhoto", "EditPhoto", "DeletePhoto"], photos)]
    pages = [
        Page("the gallery", "addressed", "photos/gallery.html", names, gallery),
        Page("the gallery, pictures drawn", "example", "photos/gallery.html", names, gallery),
        Page("a bare page", "bare", "page.html", names, buttons),
    ]
    return Group(
        "Planning a page of 30 photos",
        [case for page in pages for case in page.cases()],
        [row for number, page in enumerate(pages) for row in page.rows(2 * number + 1)],
        verify=lambda: [page.verify() for page in pages],
    )


def _request() -> Any:
    """A request that has asked nothing yet."""
    request: Any = RequestFactory().get("/")
    claims = {"sub": OLIVIA.sub, "aud": "photoflash-demo", "cognito:groups": list(OLIVIA.groups)}
    request.avp = Authorization(Identity.from_claims(claims), request=request)
    request.user, request.resolver_match = request.avp.user, resolve("/")
    return request


@dataclass
class Page:
    """A page on its way, once for each sample: collected by hand, or planned, decided and rendered."""

    name: str
    engine: str
    template_name: str
    names: Mapping[str, Any]
    asked: Asked

    def __post_init__(self) -> None:
        self.template: Any = engines[self.engine].get_template(self.template_name)

    def begin(self) -> None:
        """A new request."""
        # The gallery's view asks by its request, too.
        self.names["view"].request = self.request = _request()

    def collect(self) -> None:
        """What a view does that lists its buttons: the checks are made, the rows are noted."""
        for actions, resources in self.asked:
            self.request.avp.collect(actions, resources)

    def plan(self) -> None:
        """The same checks, known from the template."""
        plan_template(self.request.avp, self.template, {"request": self.request, **self.names})

    def decide(self) -> None:
        """The round."""
        self.request.avp.decide()

    def render(self) -> None:
        """The page, which reads what is decided."""
        self.html = self.template.render(dict(self.names), self.request)

    def _after(self, *steps: Callable[[], None]) -> Callable[[], None]:
        def prepare() -> None:
            for step in (self.begin, *steps):
                step()

        return prepare

    def cases(self) -> Iterator[Case]:
        """The steps, each of a page that has come so far."""
        before = {"collect": (), "plan": (), "decide": (self.plan,), "render": (self.plan, self.decide)}
        for step in STEPS:
            prepare = self._after(*before[step])
            yield Case(f"{self.name}: {step}", getattr(self, step), None, 0, prepare, is_single=True)

    def rows(self, number: int) -> Iterator[Row]:
        """Planning beside rendering, and beside collecting."""
        plan, render, collect = (f"{self.name}: {step}" for step in ("plan", "render", "collect"))
        yield Row(f"j{number}", f"to plan {self.name}, beside rendering it", plan, render, at_most=0.5)
        yield Row(f"j{number + 1}", "what planning adds to collecting the same by hand", plan, collect, "difference")

    def verify(self) -> None:
        """See that planning finds what is collected by hand, and that the page is one round."""
        self._after(self.collect, self.decide)()
        by_hand = self.request.avp.rounds[0].checks
        self._after(self.plan, self.decide, self.render)()
        rounds = [round_.checks for round_ in self.request.avp.rounds]
        buttons = self.html.count("edit/")
        if rounds != [by_hand] or not buttons:
            raise Wrong(f"{self.name}: rounds of {rounds} checks, {by_hand} by hand, {buttons} buttons.")
