"""A check that is decided already, read again: in Python, by Django's ``has_perm`` and in a template."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.backends import BaseBackend
from django.template import engines
from django.test import RequestFactory

from benchmarks.core import Case, Group, Row
from benchmarks.fixtures import Site, expected, fill, identity
from benchmarks.photos.policies import POLICIES
from django_avp.authorization import Authorization

__all__ = ["Granting", "build"]

OURS = "django_avp.backends.VerifiedPermissionsBackend"
CAN, PERM, LOOP = 'request.avp.can("EditPhoto", photo)', "user.has_perm: our backend", "user.has_perm: an empty backend"
TAG, BARE = "a template's loop with {% can %}", "the same loop with {% if %}"
TAGS = 100


class Granting(BaseBackend):
    """A backend that looks at nothing."""

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        """Say yes."""
        return True


def build(directory: Path, *, is_quick: bool) -> Group:
    """The cases, all about one photo of whom everything is decided."""
    user, photos = fill()
    site = Site(directory)
    site.add("policies", POLICIES)
    prepare = site.deciding("policies")
    photo, edit = photos[0], expected(user, photos[:1])[1]
    request: Any = RequestFactory().get("/")
    request.avp = Authorization(identity(), request=request)
    prepare()
    request.avp.can("EditPhoto", photo)
    who = request.avp.user

    def template(text: str) -> Callable[[], str]:
        compiled = engines["django"].from_string(f"{{% for one in numbers %}}{text}{{% endfor %}}")
        context = {"numbers": range(TAGS), "photo": photo, "may": True}
        return lambda: compiled.render(context, request)

    def has_perm(backend: str) -> Callable[[], None]:
        def use() -> None:
            prepare()
            settings.AUTHENTICATION_BACKENDS = [backend]

        return use

    ask = lambda: who.has_perm("photos.change_photo", photo)  # noqa: E731 - what is timed
    empty = f"{__name__}.Granting"
    return Group(
        "A decided check, read again",
        [
            Case(CAN, lambda: bool(request.avp.can("EditPhoto", photo)), expected=edit, queries=0, prepare=prepare),
            Case(PERM, ask, expected=edit, queries=0, prepare=has_perm(OURS)),
            Case(LOOP, ask, expected=True, queries=0, prepare=has_perm(empty)),
            Case(TAG, template('{% can "EditPhoto" photo as may %}'), "", 0, prepare, work=TAGS),
            Case(BARE, template("{% if may %}{% endif %}"), "", 0, prepare, work=TAGS),
        ],
        [
            Row("f1", "a decided check read again", CAN, at_most=2),
            Row("f2", "what our backend adds to Django's own has_perm", PERM, LOOP, "difference", at_most=1),
            Row("f3", "the same without what can() takes", PERM, (LOOP, CAN), "difference"),
            Row("f4", "what {% can %} adds to a template's loop", TAG, BARE, "difference"),
        ],
    )
