"""Who asks, and about what, as people write it: identities and resources from the words of a command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError

from django_avp.cedar import EntityUid
from django_avp.conf import conf
from django_avp.entities import registry
from django_avp.identity import Identity, IdentitySource
from django_avp.runtime import runtime

__all__ = ["identity_of", "identity_of_tokens", "resource_of"]


def identity_of(
    user: str,
    groups: Iterable[str] = (),
    claims: Mapping[str, Any] | None = None,
    access: Mapping[str, Any] | None = None,
) -> Identity:
    """Make an identity that nobody has signed in as.

    Args:
        user: a ``sub`` of the only user pool, a principal id ``<pool>|<sub>``, or an entity id ``User::"…"``.
        groups: names of the pool's groups, ``<pool>|<name>``, or entity ids.
        claims: of an ID token.
        access: claims of an access token, which are the context's.

    Raises:
        ValueError: an entity id is not one, or it is none that has claims, or these have another ``sub``.
        TokenInvalidError: there is not just one user pool, or a claim is not usable.
    """
    uid = EntityUid.parse(user).in_namespace(conf.namespace) if '::"' in user else None
    if uid is not None and (uid.type != conf.principal_type or "|" not in uid.id):
        if claims or access:
            raise ValueError(f"{uid} is not of a user pool and has no claims. Leave them out.")
        return Identity(uid, tuple(_group(group, None) for group in groups))
    pool, _, sub = (uid.id if uid else user).rpartition("|")
    identity = _from_claims(sub, pool, claims or {})
    named = (*identity.groups, *(_group(group, identity.source) for group in groups))
    if access is not None:
        of_access = _from_claims(sub, pool, {**access, "token_use": "access"})
        identity = replace(identity, _access_claims=of_access._access_claims)
    return replace(identity, groups=tuple(dict.fromkeys(named)))


def _from_claims(sub: str, pool: str, claims: Mapping[str, Any]) -> Identity:
    if claims.get("sub", sub) != sub:
        raise ValueError("The claims have another sub than USER. Leave it out of them.")
    return Identity.from_claims({**claims, "sub": sub}, pool=pool or None)


def _group(group: str, source: IdentitySource | None) -> EntityUid:
    if '::"' in group:
        return EntityUid.parse(group).in_namespace(conf.namespace)
    if source is None or "|" in group:
        return EntityUid(conf.group_type, group)
    return source.group(group)


def identity_of_tokens(text: str) -> Identity:
    """The identity of a token, or of an ID token and an access token, with white space between them.

    Raises:
        ValueError: there is no token, there are more than two, or two of one kind.
        TokenError: one does not hold.
    """
    words = text.split()
    if len(words) not in (1, 2):
        raise ValueError("Give one token, or an ID token and an access token with white space between them.")
    by_kind = {token.kind: token for token in map(runtime.verifier.verify, words)}
    if len(by_kind) != len(words):
        raise ValueError("The two tokens are of one kind. Give an ID token and an access token.")
    return Identity.from_tokens(id_token=by_kind.get("id"), access_token=by_kind.get("access"))


def resource_of(text: str | None) -> EntityUid | None:
    """The entity id of a resource: ``photos.Photo:12`` or ``Photo::"12"``; ``None`` for the application.

    Raises:
        ValueError: it is written in another way, or there is no such model or row.
        ImproperlyConfigured: the model is not registered.
    """
    if text is None:
        return None
    if '::"' in text:
        return EntityUid.parse(text).in_namespace(conf.namespace)
    label, _, key = text.partition(":")
    try:
        model = apps.get_model(label)
    except (LookupError, ValueError) as error:
        raise ValueError(
            f'{text!r} is no resource. Write an instance as app.Model:key, or an entity id as Type::"id".'
        ) from error
    try:
        return registry.uid(model._base_manager.get(pk=key))
    except (model.DoesNotExist, ValidationError, ValueError) as error:
        raise ValueError(f"There is no {label} with the key {key!r}.") from error
