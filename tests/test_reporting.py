"""Error reports without tokens."""

from __future__ import annotations

from django.views.debug import SafeExceptionReporterFilter, get_default_exception_reporter_filter

from django_avp.reporting import TokenHiding, exception_reporter_filter


class Strict(SafeExceptionReporterFilter):
    """A project's own filter."""

    cleansed_substitute = "(hidden)"


def test_the_headers_of_every_source_are_hidden(rf):
    """As are Django's own; others are shown."""
    meta = exception_reporter_filter().get_safe_request_meta(
        rf.get("/", headers={"Authorization": "Bearer x", "X-Other": "shown"})
    )

    assert meta["HTTP_AUTHORIZATION"] == SafeExceptionReporterFilter.cleansed_substitute
    assert meta["HTTP_X_OTHER"] == "shown"


def test_the_cookies_of_every_source_are_hidden(rf, settings):
    """Whatever a project calls them."""
    settings.AVP_TOKEN_SOURCES = [("django_avp.tokens.sources.Cookie", {"id_token": "who", "access_token": "may"})]
    request = rf.get("/")
    request.COOKIES = {"who": "x", "may": "y", "theme": "dark"}
    stars = SafeExceptionReporterFilter.cleansed_substitute

    assert exception_reporter_filter().get_safe_cookies(request) == {"who": stars, "may": stars, "theme": "dark"}


def test_a_projects_own_filter_stays(settings, rf):
    """Ours is put before it, not in its place."""
    settings.DEFAULT_EXCEPTION_REPORTER_FILTER = f"{__name__}.Strict"
    get_default_exception_reporter_filter.cache_clear()
    found = exception_reporter_filter()
    get_default_exception_reporter_filter.cache_clear()

    assert isinstance(found, TokenHiding)
    assert isinstance(found, Strict)
    assert found.get_safe_request_meta(rf.get("/", headers={"Authorization": "x"}))["HTTP_AUTHORIZATION"] == "(hidden)"
