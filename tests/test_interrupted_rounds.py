"""What happens to a request while an engine is asked: somebody signs out, or writes, in another thread or task."""

from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync, sync_to_async

from django_avp.cedar import Cause
from django_avp.engines.cedar import CedarEngine
from django_avp.runtime import runtime
from django_avp.signals import decisions_made
from tests.filtering.conftest import Lists, declared
from tests.testapp.models import Item, Photo

pytestmark = pytest.mark.django_db


class Interrupted(CedarEngine):
    """Cedar, and what happens before its first answer is there."""

    def __init__(self, happens):
        super().__init__()
        self._happens = [happens]

    def decide(self, batch):
        decisions = super().decide(batch)
        while self._happens:
            self._happens.pop()()
        return decisions

    async def adecide(self, batch):
        return await sync_to_async(self.decide)(batch)


def can(authorization, photo, is_async):
    """Whether the photo may be edited; the request's answer, and the one that it gives to whoever asks next."""

    async def ask():
        return await authorization.acan("EditPhoto", photo), await authorization.acan("EditPhoto", photo)

    if is_async:
        return async_to_sync(ask)()
    return authorization.can("EditPhoto", photo), authorization.can("EditPhoto", photo)


@pytest.mark.parametrize("is_async", [False, True])
def test_c6_signing_out_during_a_round_denies_what_it_decides(authorize, photo, is_async):
    """Who has gone may nothing, though the engine has permitted it."""
    authorization = authorize("ann")
    with runtime.use_engine(Interrupted(authorization.close)):
        answers = can(authorization, photo, is_async)

    assert [(bool(answer), answer.cause) for answer in answers] == [(False, Cause.UNIDENTIFIED)] * 2


@pytest.mark.parametrize("is_async", [False, True])
def test_a4_a_write_during_a_round_is_seen_by_who_forgets(authorize, photo, user, is_async):
    """What is decided on the row as it was is no answer any more."""
    authorization, bob = authorize("ann"), user("bob")

    def write():
        Photo.objects.filter(pk=photo.pk).update(owner=bob)
        authorization.forget(photo)

    with runtime.use_engine(Interrupted(write)):
        answers = can(authorization, photo, is_async)

    assert [bool(answer) for answer in answers] == [False, False]
    assert len(authorization.rounds) == 2


def test_a4_what_a_round_has_read_before_a_write_is_forgotten():
    """Also where the write comes while the round makes its entities: the next one reads the rows as they are."""
    lists, item, asking = Lists(), Item.objects.create(name="before"), []

    def write(entity, row):
        if asking:
            authorization = asking.pop()
            Item.objects.filter(pk=item.pk).update(name="after")
            authorization.forget(item)
        return True

    lists.definitions[Item] = declared(attribute_written=write)
    text = 'permit (principal, action, resource) when { resource.name == "before" && resource.written };'
    with lists.asking(text) as authorization:
        asking.append(authorization)

        assert not authorization.can("View", item)


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("forgets", ["forget", "close"])
def test_a_receiver_may_forget(authorize, photo, forgets, is_async):
    """``decisions_made`` tells of a decision that is none any more: who has asked gets another one, and no error."""
    authorization = authorize("ann")
    told = []

    def receive(**about):
        told.append(about)
        if len(told) == 1:
            getattr(authorization, forgets)()

    decisions_made.connect(receive)
    try:
        answers = can(authorization, photo, is_async)
    finally:
        decisions_made.disconnect(receive)

    assert [bool(answer) for answer in answers] == [forgets == "forget"] * 2
    assert len(told) == (2 if forgets == "forget" else 1)
