"""What a round of 20 checks takes by each engine, and what it takes when the decision cache knows it already.

``make bench`` runs it. The cases alternate, so that whatever else the machine does meets all of them. The policy store
is the local endpoint, which has a process's threads in common with the rest: what is measured of the service's engine
is its own work, that of the endpoint, and no network.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path
from statistics import quantiles
from time import perf_counter

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")
django.setup()

from django.conf import settings  # noqa: E402

from django_avp.cedar import Check, Entity, EntityUid  # noqa: E402
from django_avp.conf import conf  # noqa: E402
from django_avp.engines.base import Batch, Engine  # noqa: E402
from django_avp.engines.caching import CachingEngine  # noqa: E402
from django_avp.engines.cedar import CedarEngine  # noqa: E402
from django_avp.engines.shared_cache import SharedCache  # noqa: E402
from django_avp.engines.synced import SyncedEngine  # noqa: E402
from django_avp.engines.verified_permissions import VerifiedPermissionsEngine  # noqa: E402
from django_avp.identity import Identity  # noqa: E402
from django_avp.policies import load  # noqa: E402
from django_avp.testing import TokenMint  # noqa: E402
from django_avp.testing.endpoint import Endpoint, PolicyStore  # noqa: E402
from django_avp.tokens.keys import KeySets  # noqa: E402
from django_avp.tokens.verifier import TokenVerifier  # noqa: E402

CHECKS = 20
STORE = "PSEXAMPLEabcdefg111111"
SCHEMA = """
namespace PhotoFlash {
  entity Group;
  entity User in [Group];
  entity Album;
  entity Photo in [Album] = { public: Bool, title: String };
  action "View" appliesTo { principal: User, resource: Photo };
}
"""
POLICIES = """
@id("public") permit (principal, action, resource) when { resource.public };
@id("album") permit (principal in PhotoFlash::Group::"eu-west-1_AbCdEf123|family", action, resource in
PhotoFlash::Album::"family");
@id("draft") forbid (principal, action, resource) when { resource.title like "draft*" };
"""


def batch_of(mint: TokenMint) -> Batch:
    """Twenty photos of one album, asked by a verified user."""
    token = TokenVerifier(KeySets()).verify(mint.id_token("ann", groups=["family"]))
    album = EntityUid("PhotoFlash::Album", "family")
    photos = [EntityUid("PhotoFlash::Photo", str(number)) for number in range(CHECKS)]
    return Batch(
        Identity.from_tokens(id_token=token),
        tuple(Check(EntityUid("PhotoFlash::Action", "View"), photo) for photo in photos),
        tuple(
            (Entity(photo, {"public": bool(number % 2), "title": f"Photo {number}"}, (album,)), Entity(album))
            for number, photo in enumerate(photos)
        ),
        STORE,
    )


def timed(engine: Engine, batch: Batch) -> float:
    """How long a round takes, in microseconds."""
    started = perf_counter()
    engine.decide(batch)
    return (perf_counter() - started) * 1_000_000


def engines_of(cedar: CedarEngine) -> dict[str, Engine]:
    """Each engine ready to decide, and the embedded one behind a cache of the process."""
    synced = SyncedEngine()
    synced.store(STORE).read()
    return {
        "CedarEngine": cedar,
        "SyncedEngine": synced,
        "VerifiedPermissionsEngine": VerifiedPermissionsEngine(),
        "CedarEngine, remembered": CachingEngine(cedar, SharedCache("default")),
        "VerifiedPermissionsEngine, remembered": CachingEngine(VerifiedPermissionsEngine(), SharedCache("default")),
    }


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few runs only, to prove that it runs")
    runs = 5 if parser.parse_args().quick else 400
    mint = TokenMint()
    directory = Path(tempfile.mkdtemp())
    (directory / "policies.cedar").write_text(POLICIES)
    (directory / "schema.cedarschema").write_text(SCHEMA)
    settings.AVP_POLICIES, settings.AVP_NAMESPACE, settings.AVP_JWKS = directory, "PhotoFlash", mint.jwks
    settings.AVP_CACHE, settings.AVP_CACHE_TTL = "default", 600
    store = PolicyStore.holding(load(conf.policies), policy_store_id=STORE, pool=mint.pool)
    with Endpoint([store], jwks=mint.jwks) as endpoint:
        settings.AVP_CLIENT_OPTIONS = {
            "endpoint_url": endpoint.url,
            "region_name": "eu-west-1",
            "aws_access_key_id": "local",
            "aws_secret_access_key": "local",
        }
        engines, batch = engines_of(CedarEngine()), batch_of(mint)
        measured: dict[str, list[float]] = {name: [] for name in engines}
        for run in range(runs + 3):
            for name, engine in engines.items():
                took = timed(engine, batch)
                if run >= 3:
                    measured[name].append(took)
    shutil.rmtree(directory)
    base = quantiles(measured["CedarEngine"])[1]
    print(f"A round of {CHECKS} checks; µs, and times the embedded engine")
    for name, times in measured.items():
        low, median, high = quantiles(times)
        print(f"{name:40} {median:8.0f}  ({low:.0f}-{high:.0f})  {median / base:6.2f} x")


if __name__ == "__main__":
    main()
