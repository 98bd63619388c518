"""Token sources: where a request carries its tokens.

A source reads, and the tokens that it finds are verified elsewhere; then one that has more to go by confirms them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Never

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from django_avp.tokens.alb import LoadBalancers

if TYPE_CHECKING:
    from django.http import HttpRequest

    from django_avp.tokens.verifier import VerifiedToken

__all__ = ["AlbHeader", "AuthorizationHeader", "Cookie", "Session", "TokenPair", "TokenSource", "build_sources"]


@dataclass(frozen=True, slots=True, repr=False)
class TokenPair:
    """What one source found, unverified: an ID token and an access token, or one token of unknown kind (rule C4).

    ``None`` is nothing; an empty text is something that is no token, and will be refused as malformed.
    """

    id_token: str | None = None
    access_token: str | None = None
    token: str | None = None

    def __repr__(self) -> str:
        found = [name for name in self.__slots__ if getattr(self, name) is not None]
        return f"<TokenPair: {', '.join(found) or 'empty'}>"

    def __reduce__(self) -> Never:
        raise TypeError("A token pair is not pickled, because it holds credentials; read it from the request again.")


class TokenSource(ABC):
    """A place in a request where tokens are found; options of ``AVP_TOKEN_SOURCES`` are given to the constructor."""

    ambient: ClassVar[bool] = True
    """Whether a browser or a proxy sends the tokens by itself, so that requests need the CSRF check (rule C1)."""
    is_shared: ClassVar[bool] = True
    """Whether other applications' tokens may be found here: those of other issuers are left to them (rule C2)."""
    vary: ClassVar[tuple[str, ...]] = ()
    """The request headers that the tokens come from, for ``Vary`` (rule C5)."""
    sensitive_headers: ClassVar[tuple[str, ...]] = ()
    """The request headers that error reports must not show (rule C8)."""

    @property
    def sensitive_cookies(self) -> tuple[str, ...]:
        """The cookies that error reports must not show (rule C8)."""
        return ()

    @abstractmethod
    def read(self, request: HttpRequest) -> TokenPair | None:
        """Return the tokens of a request, ``None`` if it has none here; must not raise for what a client sends."""

    async def aread(self, request: HttpRequest) -> TokenPair | None:
        """Return what :meth:`read` does; for sources that have to wait for it."""
        return self.read(request)

    def confirm(self, request: HttpRequest, tokens: Sequence[VerifiedToken]) -> None:  # noqa: B027 - most have no more
        """Refuse tokens that were verified, where the request says more than they do.

        Raises:
            TokenError: they do not identify who sent the request.
        """

    async def aconfirm(self, request: HttpRequest, tokens: Sequence[VerifiedToken]) -> None:
        """Do what :meth:`confirm` does; for sources that have to wait for it."""
        self.confirm(request, tokens)


class AuthorizationHeader(TokenSource):
    """The header ``Authorization: Bearer <token>`` (RFC 6750 section 2.1); other schemes are left to others."""

    ambient = False
    vary = ("Authorization",)
    sensitive_headers = ("Authorization",)

    def read(self, request: HttpRequest) -> TokenPair | None:
        # Not `request.headers`, which would be made of all headers for this one.
        value: str = request.META.get("HTTP_AUTHORIZATION", "").strip(" \t")
        scheme, rest = value[:6], value[6:]
        token = rest.lstrip(" \t")
        # RFC 9110 section 11.1: the scheme is case-insensitive. A longer word is another scheme.
        if scheme.lower() != "bearer" or (token and token == rest):
            return None
        return TokenPair(token=token)


class _NamedPair(TokenSource):
    """A source of two named values in something that comes with a cookie."""

    ambient = True
    vary = ("Cookie",)

    def __init__(
        self,
        id_token: str | None = "id_token",  # noqa: S107 - a name
        access_token: str | None = "access_token",  # noqa: S107 - a name
    ) -> None:
        if id_token is None and access_token is None:
            raise ImproperlyConfigured(
                f'AVP_TOKEN_SOURCES: {type(self).__name__} has no name to read; give it "id_token" or "access_token".'
            )
        self.id_token = id_token
        self.access_token = access_token


class Cookie(_NamedPair):
    """Two cookies, named by the options; ``None`` in place of a name reads only the other."""

    @property
    def sensitive_cookies(self) -> tuple[str, ...]:
        return tuple(name for name in (self.id_token, self.access_token) if name is not None)

    def read(self, request: HttpRequest) -> TokenPair | None:
        return _pair(*(name and request.COOKIES.get(name) for name in (self.id_token, self.access_token)))


class Session(_NamedPair):
    """Two keys of the session, named by the options; ``None`` in place of a name reads only the other.

    A session is neither created nor saved; reading it adds ``Vary: Cookie``, as Django's session does by itself.
    """

    @property
    def sensitive_cookies(self) -> tuple[str, ...]:
        # With signed-cookie sessions this cookie is the tokens.
        return (settings.SESSION_COOKIE_NAME,)

    def read(self, request: HttpRequest) -> TokenPair | None:
        session = getattr(request, "session", None)
        if session is None:
            return None
        return _pair(*[name and session.get(name) for name in (self.id_token, self.access_token)])

    async def aread(self, request: HttpRequest) -> TokenPair | None:
        session = getattr(request, "session", None)
        if session is None:
            return None
        return _pair(*[name and await session.aget(name) for name in (self.id_token, self.access_token)])


class AlbHeader(TokenSource):
    """The headers of an Application Load Balancer that signs users in with Amazon Cognito.

    ``x-amzn-oidc-accesstoken`` is who they are; ``x-amzn-oidc-data`` proves that the request came through the load
    balancer, and is about the same user. ``x-amzn-oidc-identity`` is not signed and stays unread.

    Args:
        signer: the ARN of the load balancer, or several.
        keys_url: where its keys are, with ``{kid}`` in the place of the key's id; by default where AWS has them.
    """

    ambient = True
    # Only the load balancer writes these headers, so what it did not write is a forgery.
    is_shared = False
    vary = ("X-Amzn-Oidc-Accesstoken", "X-Amzn-Oidc-Data", "X-Amzn-Oidc-Identity")
    sensitive_headers = vary

    def __init__(self, signer: str | Iterable[str] = (), keys_url: str | None = None) -> None:
        self._load_balancers = LoadBalancers([signer] if isinstance(signer, str) else signer, keys_url)

    def read(self, request: HttpRequest) -> TokenPair | None:
        access_token = request.headers.get("X-Amzn-Oidc-Accesstoken")
        if access_token is None and "X-Amzn-Oidc-Data" not in request.headers:
            return None
        # One without the other is a fault, not an absence (rule C2).
        return TokenPair(access_token=access_token or "")

    def confirm(self, request: HttpRequest, tokens: Sequence[VerifiedToken]) -> None:
        for token in tokens:
            self._load_balancers.confirm(request.headers.get("X-Amzn-Oidc-Data", ""), token)

    async def aconfirm(self, request: HttpRequest, tokens: Sequence[VerifiedToken]) -> None:
        for token in tokens:
            await self._load_balancers.aconfirm(request.headers.get("X-Amzn-Oidc-Data", ""), token)


def _pair(id_token: object, access_token: object) -> TokenPair | None:
    found = [None if value is None or value == "" else value for value in (id_token, access_token)]
    if found == [None, None]:
        return None
    # A value that is no text is a fault, not an absence: it must not fall through to the next source (rule C2).
    return TokenPair(*[value if value is None or isinstance(value, str) else "" for value in found])


def build_sources(entries: Iterable[str | tuple[str, Mapping[str, Any]]]) -> tuple[TokenSource, ...]:
    """Build the sources of ``AVP_TOKEN_SOURCES``, in order.

    Raises:
        ImproperlyConfigured: an entry is not a source; the message names the cure.
    """
    if isinstance(entries, str):
        raise ImproperlyConfigured(f"AVP_TOKEN_SOURCES must be a list; write [{entries!r}].")
    return tuple(_build(entry) for entry in entries)


def _build(entry: object) -> TokenSource:
    match entry:
        case str(path):
            options: Mapping[str, Any] = {}
        case [str(path), Mapping() as options]:
            pass
        case _:
            raise ImproperlyConfigured(
                f"AVP_TOKEN_SOURCES: an entry is a dotted path or a tuple (path, {{options}}), not {entry!r}."
            )
    try:
        source = import_string(path)(**options)
    except ImportError as error:
        raise ImproperlyConfigured(f"AVP_TOKEN_SOURCES: {path!r} cannot be imported ({error}).") from error
    except TypeError as error:
        raise ImproperlyConfigured(
            f"AVP_TOKEN_SOURCES: {path!r} cannot be built with the options {sorted(options)} ({error})."
        ) from error
    if not isinstance(source, TokenSource):
        raise ImproperlyConfigured(
            f"AVP_TOKEN_SOURCES: {path!r} is not a subclass of {TokenSource.__module__}.TokenSource."
        )
    return source
