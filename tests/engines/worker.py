"""A worker of a site on the synced engine: it tells each decision about one question that differs from the last one.

Its arguments are the store, the endpoint, the cache and a token; it ends when its standard input does.
"""

from __future__ import annotations

import json
import os
import select
import sys

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
store, endpoint, cache, token, jwks, interval = sys.argv[1:]
django.setup()

from django.conf import settings  # noqa: E402

from django_avp.cedar import Check, EntityUid  # noqa: E402
from django_avp.engines import shared_cache  # noqa: E402
from django_avp.engines.base import Batch  # noqa: E402
from django_avp.engines.synced import SyncedEngine  # noqa: E402
from django_avp.exceptions import AuthorizationUnavailable  # noqa: E402
from django_avp.identity import Identity  # noqa: E402
from django_avp.runtime import runtime  # noqa: E402

# Where a busy machine's cache does not answer in time, each worker reads for itself.
shared_cache._PATIENCE = shared_cache._FIRST_PATIENCE = 60
settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": cache}}
settings.AVP_NAMESPACE = "PhotoFlash"
settings.AVP_JWKS = json.loads(jwks)
settings.AVP_SYNC_INTERVAL = float(interval)
settings.AVP_CLIENT_OPTIONS = {
    "endpoint_url": endpoint,
    "region_name": "eu-west-1",
    "aws_access_key_id": "x",
    "aws_secret_access_key": "x",
}
identity = Identity.from_tokens(id_token=runtime.verifier.verify(token))
check = Check(EntityUid("PhotoFlash::Action", "View"), EntityUid("PhotoFlash::Photo", "1"))
question = Batch(identity, (check,), ((),), store)
engine = SyncedEngine()
told = ""
while not select.select([sys.stdin], [], [], 0.02)[0]:
    try:
        seen = engine.decide(question)[0].verdict.value
    except AuthorizationUnavailable:
        seen = "unavailable"
    if seen != told:
        told = seen
        print(told, flush=True)
