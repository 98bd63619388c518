"""What policies add to the memory of a process: ``python -m benchmarks.footprint DIRECTORY`` tells it as JSON.

A process of its own, since memory that was used once is not always given back.
"""

from __future__ import annotations

import ctypes
import dataclasses
import gc
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import cedarpy
import django
from django.conf import settings

from benchmarks.photos.policies import POOL
from django_avp.cedar import Check, Entity, EntityUid
from django_avp.engines.base import Batch
from django_avp.engines.cedar import CedarEngine
from django_avp.identity import Identity

PRINCIPALS = 100
PHOTOS = 3
_SHARED = (type, ModuleType, FunctionType, BuiltinFunctionType)


def resident() -> int:
    """Bytes that are in memory now, as far as they are used."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise OSError("This system does not tell how much memory is used.")


def size(values: Iterable[Any], seen: set[int]) -> int:
    """Bytes of Python objects and of all that they lead to, but for what was seen before."""
    total, stack = 0, list(values)
    while stack:
        value = stack.pop()
        if id(value) in seen or isinstance(value, _SHARED):
            continue
        seen.add(id(value))
        total += sys.getsizeof(value)
        stack.extend(gc.get_referents(value))
    return total


def batches() -> Iterator[Batch]:
    """A few checks of each of some principals, who are in teams of their own."""
    action, album = EntityUid("PhotoFlash::Action", "ViewPhoto"), Entity(EntityUid("PhotoFlash::Album", "family"))
    created = {"__extn": {"fn": "datetime", "arg": "2026-01-01"}}
    for number in range(PRINCIPALS):
        who = Identity.from_claims({"sub": f"user-{number}", "cognito:groups": [f"team-{number}"]}, pool=POOL)
        owner = {"__entity": who.principal.as_json()}
        values = {"title": "A", "owner": owner, "is_public": True, "likes": 1, "created": created}
        photos = [
            Entity(EntityUid("PhotoFlash::Photo", f"{number}-{one}"), values, (album.uid,)) for one in range(PHOTOS)
        ]
        checks = tuple(Check(action, photo.uid) for photo in photos)
        yield Batch(who, checks, tuple((photo, album) for photo in photos))


def main(directory: Path) -> None:
    """Load policies, decide by them, and tell what each step has added."""
    settings.configure(AVP_POLICIES=directory, AVP_NAMESPACE="PhotoFlash", AVP_USER_POOLS={POOL: None})
    django.setup()
    document = cedarpy.policies_to_json_str((directory / "policies.cedar").read_text())
    before = resident()
    alone = cedarpy.PolicySet.from_json_str(document)
    told = {"cedarpy": resident() - before}
    del alone, document
    before = resident()
    engine = CedarEngine()
    told["loaded"] = resident() - before
    policies, seen = engine.policies(), set[int]()
    seen.update(map(id, (policies.schema, policies.policy_set)))
    told["statements"] = size([policies.statements], seen)
    told["references"] = size([policies.references, policies.mentions], seen)
    rest = (getattr(policies, field.name, None) for field in dataclasses.fields(policies))
    told["rest"] = size(rest, seen)
    parts = sum(told[name] for name in ("cedarpy", "statements", "references", "rest"))
    told["unused"] = told["loaded"] - parts
    before = resident()
    for batch in batches():
        if not all(engine.decide(batch)):
            raise ValueError("A page was not decided as it should.")
    told["decided"] = resident() - before
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
