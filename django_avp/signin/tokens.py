"""The tokens of somebody who is signed in, and the steps of a sign-in that has begun."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Never

from django_avp.exceptions import AvpError

__all__ = ["Attempt", "SignInError", "Tokens"]


class SignInError(AvpError):
    """Raised when the user pool gives no tokens.

    Attributes:
        code: the cause, for logs and tests; never a text that came from elsewhere.
        is_temporary: whether trying again may help.
    """

    def __init__(self, code: str, *, is_temporary: bool = False) -> None:
        super().__init__(f"The sign-in failed: {code}.")
        self.code = code
        self.is_temporary = is_temporary


@dataclass(frozen=True, slots=True, repr=False)
class Tokens:
    """What a user pool gave for one user, verified; no repr and no pickle has it (rule C8).

    Attributes:
        principal_id: whose they are, ``<pool>|<sub>``.
        expires_at: seconds since the epoch, of the token that expires first.
        refresh_token: empty if the user pool gave none.
    """

    principal_id: str
    expires_at: int
    id_token: str = ""
    access_token: str = ""
    refresh_token: str = ""

    def __repr__(self) -> str:
        return "<Tokens>"

    def __reduce__(self) -> Never:
        raise TypeError("Tokens are not pickled, because they are credentials.")


@dataclass(frozen=True, slots=True, repr=False)
class Attempt:
    """A sign-in that has begun in a browser.

    Attributes:
        state: comes back with the code, so that a page elsewhere cannot finish the sign-in (RFC 6749 section 10.12).
        nonce: comes back in the ID token, so that it is of this sign-in (OpenID Connect Core section 3.1.2.1).
        verifier: proves that who sends the code is who asked for it (RFC 7636).
        redirect_uri: where the code comes back to.
    """

    state: str
    nonce: str
    verifier: str
    redirect_uri: str

    def __repr__(self) -> str:
        return "<Attempt>"
