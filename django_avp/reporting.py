"""Error reports without tokens: hides the headers and cookies that token sources read (rule C8)."""

from __future__ import annotations

import sysconfig
from functools import cache
from types import FrameType
from typing import TYPE_CHECKING, Any

from django.views.debug import SafeExceptionReporterFilter, get_default_exception_reporter_filter

from django_avp.conf import conf
from django_avp.tokens.sources import build_sources

if TYPE_CHECKING:
    from django.http import HttpRequest

__all__ = ["TokenHiding", "exception_reporter_filter"]

_PACKAGE = __name__.partition(".")[0]
_HOLDERS = (f"{_PACKAGE}.", "django.contrib.sessions.")
_MIDDLEWARE = f"{_PACKAGE}.middleware."
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


class TokenHiding(SafeExceptionReporterFilter):
    """Hides what token sources read, and the variables of this package, with ``DEBUG`` on as well."""

    def cleanse_setting(self, key: Any, value: Any) -> Any:
        """Replace the value of a header or cookie that carries a token by stars."""
        return self.cleansed_substitute if key in _sensitive_names() else super().cleanse_setting(key, value)

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: FrameType) -> Any:
        """Replace variables that may be tokens and claims by stars: those of this package's own functions, of
        sessions, and of the libraries that these have called."""
        if _is_handed_secrets(tb_frame):
            return [(name, self.cleansed_substitute) for name in tb_frame.f_locals]
        return super().get_traceback_frame_variables(request, tb_frame)


def exception_reporter_filter() -> SafeExceptionReporterFilter:
    """The project's own filter of error reports, made to hide tokens too."""
    filter_class: Any = type(get_default_exception_reporter_filter())
    hiding: SafeExceptionReporterFilter = _hiding(filter_class)()
    return hiding


@cache
def _hiding(base: Any) -> Any:
    return base if issubclass(base, TokenHiding) else type("TokenHidingFilter", (TokenHiding, base), {})


def _is_handed_secrets(frame: FrameType) -> bool:
    """Whether a function is of a holder of tokens, or of a library that one has called, with no code of the site
    between them."""
    caller: FrameType | None = frame
    while caller is not None and not _module_of(caller).startswith(_HOLDERS):
        caller = caller.f_back if caller.f_code.co_filename.startswith(_LIBRARIES) else None
    # All of Django is called by the middleware.
    return caller is not None and (caller is frame or not _module_of(caller).startswith(_MIDDLEWARE))


def _module_of(frame: FrameType) -> str:
    return f"{frame.f_globals.get('__name__', '')}."


def _sensitive_names() -> frozenset[str]:
    sources = build_sources(conf.token_sources)
    headers = {f"HTTP_{name.upper().replace('-', '_')}" for source in sources for name in source.sensitive_headers}
    return frozenset(headers).union(*(source.sensitive_cookies for source in sources))
