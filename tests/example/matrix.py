"""Run in the example: what its engine decides for every user, action and resource, as JSON on standard output."""

from __future__ import annotations

import json

import django

django.setup()

# Models exist only now.
from django.conf import settings  # noqa: E402

from django_avp.authorization import Authorization  # noqa: E402
from django_avp.conf import conf  # noqa: E402
from django_avp.engines.synced import SyncedEngine  # noqa: E402
from django_avp.identity import Identity  # noqa: E402
from django_avp.policies import load  # noqa: E402
from django_avp.runtime import runtime  # noqa: E402
from example_project.photos.models import Album, Photo  # noqa: E402
from example_project.signin import issuer  # noqa: E402
from example_project.signin.personas import PERSONAS  # noqa: E402

((POOL, (CLIENT, *_)),) = conf.user_pools.items()
ACTIONS = load(conf.policies).schema.actions.values()


def identity(persona):
    """A user with both tokens, verified."""
    tokens = issuer.sign_in(persona, settings.DEV_ISSUER_DIR, pool=POOL, client=CLIENT)
    verify = runtime.verifier.verify
    return Identity.from_tokens(id_token=verify(tokens["id_token"]), access_token=verify(tokens["access_token"]))


def decided(persona):
    """The decisions about a user, asked in one round."""
    resources = [("Application::default", None)]
    resources += [(f"Album::{album.slug}", album) for album in Album.objects.all()]
    resources += [(f"Photo::{photo.pk}", photo) for photo in Photo.objects.all()]
    asked = [
        (name, action.uid.id, resource)
        for name, resource in resources
        for action in ACTIONS
        if f"PhotoFlash::{name.partition('::')[0]}" in action.resources
    ]
    avp = Authorization(identity(persona))
    for _, action, resource in asked:
        avp.collect(action, resource)
    answers = {}
    for name, action, resource in asked:
        decision = avp.can(action, resource)
        answers[f"{action} {name}"] = [bool(decision), sorted(decision.determining_policies)]
    assert len(avp.rounds) == 1, avp.rounds
    return answers


if isinstance(runtime.engine, SyncedEngine):
    runtime.engine.store(conf.policy_store_id).read()
print(json.dumps({persona.slug: decided(persona) for persona in PERSONAS}))
