"""What the settings say about tokens, read together and once for as long as they stay as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django_avp.conf import conf
from django_avp.typed_settings import UNSET, holder, snapshot

__all__ = ["RuleReader", "TokenRules"]


@dataclass(frozen=True, slots=True, eq=False)
class TokenRules:
    """Which tokens are accepted. What was judged by the same rules, the same object, was judged by the same settings.

    Attributes:
        pools: the accepted issuers with their pools.
        clients: the pools with their accepted clients; ``None`` accepts any.
        kinds: the accepted kinds of token.
        leeway: seconds of clock skew tolerated on ``exp``.
        jwks: the key set given inline.
        jwks_url: where key sets are fetched instead of from the issuer.
        memory: how many verified tokens are remembered.
        is_revocable: whether ``AVP_TOKEN_REVOKED`` is to be asked.
    """

    pools: Mapping[str, str]
    clients: Mapping[str, Sequence[str] | None]
    kinds: tuple[str, ...]
    leeway: float
    jwks: Mapping[str, Any] | None
    jwks_url: str | Mapping[str, str] | None
    memory: int
    is_revocable: bool

    @classmethod
    def of_settings(cls) -> TokenRules:
        """The rules of the settings as they are now."""
        pools = conf.user_pools
        return cls(
            pools=conf.issuers,
            clients={pool: _clients(pools[pool]) for pool in pools},
            kinds=conf.token_use,
            leeway=conf.leeway,
            jwks=conf.jwks,
            jwks_url=conf.jwks_url,
            memory=conf.token_memory,
            is_revocable=conf.token_revoked is not None,
        )


class RuleReader:
    """Reads the settings live: a change counts at once, an assignment as well as one within a dict or a list."""

    def __init__(self) -> None:
        self._last: tuple[object, list[str], TokenRules] | None = None

    def current(self) -> TokenRules:
        """The rules as they are now, the same ones for as long as nothing has changed.

        Raises:
            ImproperlyConfigured: a setting is not what it must be.
        """
        found = _read()
        last = self._last
        # Of two pools for which `AVP_ISSUERS` names one issuer the last counts, so that their order is a rule, too.
        if last is not None and found == last[0] and (found[1] is UNSET or [*found[0]] == last[1]):
            return last[2]
        rules = TokenRules.of_settings()
        self._last = (snapshot(found), [*rules.clients], rules)
        return rules


def _read() -> tuple[Any, ...]:
    """All that a verification reads, the pools first."""
    settings = holder()
    # Written out, because every request does this.
    return (
        getattr(settings, "AVP_USER_POOLS", UNSET),
        getattr(settings, "AVP_ISSUERS", UNSET),
        getattr(settings, "AVP_TOKEN_USE", UNSET),
        getattr(settings, "AVP_LEEWAY", UNSET),
        getattr(settings, "AVP_JWKS", UNSET),
        getattr(settings, "AVP_JWKS_URL", UNSET),
        getattr(settings, "AVP_TOKEN_MEMORY", UNSET),
        getattr(settings, "AVP_TOKEN_REVOKED", UNSET),
    )


def _clients(accepted: Sequence[str] | None) -> Sequence[str] | None:
    if isinstance(accepted, str):
        # `in` would look for a part of the text.
        return (accepted,)
    return tuple(accepted) if isinstance(accepted, list | set | frozenset) else accepted
