"""``request.avp``: collecting, deciding, reading, requiring and forgetting."""

from __future__ import annotations

import copy
import logging
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import HttpRequest as DjangoHttpRequest
from django.template import Context, Template

from django_avp.asker import Asker
from django_avp.authorization import Authorization, asker_of
from django_avp.cedar import Cause, Check, Decision, EntityUid, Verdict
from django_avp.engines.base import Decisions
from django_avp.engines.cedar import CedarEngine
from django_avp.exceptions import ActionDenied, AuthorizationUnavailable
from django_avp.http import HttpRequest
from django_avp.identity import Identity
from django_avp.runtime import runtime
from django_avp.signals import decisions_made
from tests.site_engines import BrokenEngine, CountingEngine, OddEngine
from tests.testapp.models import Account, Album, Note, Photo

pytestmark = pytest.mark.django_db


def test_a_permitted_check_tells_its_policy(authorize, photo):
    """The decision names the verdict and what determined it."""
    decision = authorize("ann").can("EditPhoto", photo)

    assert decision
    assert decision.verdict == Verdict.PERMITTED == "permitted"
    assert decision.determining_policies == ("owner",)
    assert decision.errors == ()
    assert decision.is_allowed


def test_a_refused_check_is_false(authorize, photo):
    """Nothing matched for somebody else."""
    decision = authorize("bob").can("EditPhoto", photo)

    assert not decision
    assert decision.verdict == "not_permitted"


def test_reading_again_asks_nobody(authorize, photo, engine):
    """A decided check is remembered for the length of the request."""
    authorization = authorize("ann")
    first = authorization.can("EditPhoto", photo)

    assert authorization.can("EditPhoto", Photo.objects.get(pk=photo.pk)) is first
    assert len(engine.batches) == 1


def test_what_was_collected_is_decided_with_the_first_read(authorize, photo, engine):
    """One batch holds all of it, each check once."""
    authorization = authorize("ann")
    authorization.collect(["EditPhoto", "DeletePhoto"], [photo, photo])
    authorization.collect("ListPhotos")

    assert authorization.can("EditPhoto", photo)
    assert authorization.can("DeletePhoto", photo)
    assert authorization.can("ListPhotos")
    assert [len(batch.checks) for batch in engine.batches] == [3]
    assert [(round_.checks, round_.calls) for round_ in authorization.rounds] == [(3, 1)]
    assert authorization.rounds[0].milliseconds > 0
    assert repr(authorization) == "<Authorization: 3 decided, 0 pending>"


def test_decide_asks_now_and_not_twice(authorize, photo, engine):
    """Deciding with nothing collected asks nobody."""
    authorization = authorize("ann")
    authorization.decide()
    authorization.collect("EditPhoto", photo)
    authorization.decide()
    authorization.collect("EditPhoto", photo)
    authorization.decide()

    assert len(engine.batches) == 1


def test_the_same_check_in_other_words_is_the_same_check(authorize, photo, engine):
    """Actions and resources are put into the namespace before they are compared."""
    authorization = authorize("ann")
    authorization.can("EditPhoto", photo)
    authorization.can('PhotoFlash::Action::"EditPhoto"', EntityUid("Photo", str(photo.pk)))
    authorization.can(EntityUid("Action", "EditPhoto"), EntityUid("PhotoFlash::Photo", str(photo.pk)))

    assert len(engine.batches) == 1


def test_an_entity_id_is_read_from_the_database(authorize, photo):
    """A resource need not be an instance."""
    assert authorize("ann").can("EditPhoto", EntityUid("Photo", str(photo.pk)))


def test_a_context_is_a_part_of_the_question(authorize, photo):
    """The same action in another context is decided by itself."""
    authorization = authorize("bob")

    assert not authorization.can("EditPhoto", photo)
    assert authorization.can("EditPhoto", photo, context={"mfa": True})
    assert not authorization.can("EditPhoto", photo, {"mfa": False})


def test_the_key_token_of_a_context_is_reserved(authorize, photo):
    """A caller must not forge the claims of an access token."""
    with pytest.raises(ValueError, match='"token" is reserved'):
        authorize("bob").can("EditPhoto", photo, {"token": {"scope": ["photos/write"]}})


def test_a_context_value_that_cedar_has_not_is_an_error(authorize, photo):
    """A fraction in the code is a mistake, and the message names the kinds there are."""
    with pytest.raises(TypeError, match="Decimal"):
        authorize("bob").can("EditPhoto", photo, {"note": 1.5})


@pytest.mark.parametrize("key", ["__entity", "__extn", "__expr"])
def test_a_context_that_spells_an_entity_decides_nothing(settings, rf, authorize, photo, user, key, caplog):
    """Request data is not an entity, whether a view passes it on or AVP_CONTEXT does (rule A6)."""
    forged = {"note": {key: {"type": "Album", "id": "1"}}, "mfa": True}

    assert authorize("bob").can("EditPhoto", photo, forged) == Decision(Verdict.UNDECIDED, cause=Cause.INVALID)
    assert "avp.context_refused" in caplog.messages
    settings.AVP_CONTEXT = lambda request: forged
    user("bob")
    authorization = Authorization(Identity.from_claims({"sub": "bob"}), request=rf.get("/"))
    assert authorization.can("EditPhoto", photo).cause is Cause.INVALID

    async def scenario():
        return await authorization.acan("ListPhotos")

    assert async_to_sync(scenario)().cause is Cause.INVALID


def test_an_unsaved_instance_is_refused_with_the_cure(authorize):
    """There is nothing stored to decide about (rule A4)."""
    with pytest.raises(ValueError, match="Save it first"):
        authorize("ann").can("EditPhoto", Photo())


def test_an_unregistered_model_is_refused_with_the_cure(authorize):
    """The message shows what to write."""
    note = Note.objects.create(text="x")
    with pytest.raises(ImproperlyConfigured, match="@entities.register\\(Note\\)"):
        authorize("ann").can("EditPhoto", note)


def test_something_that_is_no_resource_is_refused(authorize):
    """A primary key is not a resource."""
    with pytest.raises(TypeError, match="not a int"):
        authorize("ann").can("EditPhoto", 7)


def test_an_unknown_action_is_undecided_and_logged(authorize, photo, caplog):
    """It denies, and says so to who runs the site."""
    decision = authorize("ann").can("EditPhotos", photo)

    assert (decision.verdict, decision.cause) == (Verdict.UNDECIDED, Cause.INVALID)
    assert "avp.unknown_action" in caplog.messages


def test_require_raises_with_check_and_decision(authorize, photo):
    """The exception is Django's, and error pages can tell why."""
    with pytest.raises(PermissionDenied) as caught:
        authorize("bob", "suspended").require("EditPhoto", photo)

    assert isinstance(caught.value, ActionDenied)
    assert caught.value.decision.determining_policies == ("suspended",)
    assert caught.value.check == Check(
        EntityUid("PhotoFlash::Action", "EditPhoto"), EntityUid("PhotoFlash::Photo", str(photo.pk))
    )
    assert str(caught.value) == "EditPhoto is forbidden."


def test_require_returns_the_decision(authorize, photo):
    """What passes can be shown."""
    assert authorize("ann").require("EditPhoto", photo).determining_policies == ("owner",)


def test_an_engine_that_is_down_is_no_refusal(authorize, photo, caplog):
    """503 and 403 are different answers."""
    with runtime.use_engine(BrokenEngine()):
        authorization = authorize("ann")
        authorization.collect(["EditPhoto", "DeletePhoto"], photo)
        with pytest.raises(AuthorizationUnavailable):
            authorization.require("EditPhoto", photo)

    assert authorization.can("DeletePhoto", photo) == Decision(Verdict.UNDECIDED, cause=Cause.UNAVAILABLE)
    assert caplog.messages.count("avp.engine_unavailable") == 1


def test_an_engine_whose_policies_cannot_be_read_is_down(authorize, photo, settings, tmp_path):
    """A file that is broken while it is edited denies, and does not end in a server error."""
    settings.DEBUG = True
    (tmp_path / "a.cedar").write_text("permit (principal, action, resource);")
    settings.AVP_POLICIES = tmp_path
    settings.AVP_NAMESPACE = ""
    authorization = authorize("ann")

    assert authorization.can("EditPhoto", photo)
    (tmp_path / "a.cedar").write_text("permit (principal, action")
    assert authorize("ann").can("EditPhoto", photo).cause is Cause.UNAVAILABLE
    assert asker_of(authorize("ann")).schema is None


@pytest.mark.parametrize(
    "answers",
    [
        [],
        [Decision(Verdict.PERMITTED)],
        [Decision(Verdict.PERMITTED)] * 3,
        [Decision(Verdict.PERMITTED), True],
        ["permitted", "permitted"],
    ],
)
def test_an_odd_answer_decides_nothing(authorize, photo, answers, caplog):
    """An answer that does not fit the question is not read at all."""
    odd = OddEngine()
    odd.answers = answers
    with runtime.use_engine(odd):
        authorization = authorize("ann")
        authorization.collect(["EditPhoto", "DeletePhoto"], photo)

        assert not authorization.can("EditPhoto", photo)
        assert not authorization.can("DeletePhoto", photo)
    assert "avp.odd_answer" in caplog.messages


def test_calls_are_what_the_engine_counts(authorize, photo):
    """An engine that needed three calls says so."""
    odd = OddEngine()
    odd.answers = Decisions([Decision(Verdict.PERMITTED)], calls=3)
    with runtime.use_engine(odd):
        authorization = authorize("ann")
        authorization.can("EditPhoto", photo)

    assert authorization.rounds[0].calls == 3


def test_policies_that_cannot_be_known_follow_every_reference(authorize, photo):
    """An engine that decides elsewhere gets all that an entity leads to, and no schema is there to project onto."""

    class Elsewhere(CedarEngine):
        def policies(self, store=None):
            return None

        def decide(self, batch):
            self.batch = batch
            return [Decision(Verdict.PERMITTED)] * len(batch.checks)

    album = Album.objects.create(title="a", account=Account.objects.create(name="m", slug="main"))
    Photo.objects.filter(pk=photo.pk).update(album=album)
    photo.refresh_from_db()
    with runtime.use_engine(Elsewhere()) as elsewhere:
        assert authorize("ann").can("EditPhoto", photo)
        assert asker_of(authorize("ann")).schema is None
    assert {entity.uid.type for entity in elsewhere.batch.worlds[0]} == {
        "PhotoFlash::Photo",
        "PhotoFlash::Album",
        "PhotoFlash::Account",
    }


def test_an_engine_is_what_decides(authorize, photo):
    """Two methods are enough; of policies that are not known, nothing is taken for granted."""

    class Plain:
        def decide(self, batch):
            return [Decision(Verdict.PERMITTED)] * len(batch.checks)

        async def adecide(self, batch):
            return self.decide(batch)

    with runtime.use_engine(Plain()):
        authorization = authorize("ann")
        assert authorization.can("EditPhoto", photo)
        assert asker_of(authorization).schema is None
        assert async_to_sync(authorization.arequire)("DeletePhoto", photo)


def test_an_engine_that_cannot_tell_its_policies_is_down(authorize, photo):
    """The world of a check cannot be built without them."""

    class Unreachable(CedarEngine):
        def policies(self, store=None):
            raise AuthorizationUnavailable

    with runtime.use_engine(Unreachable()):
        assert authorize("ann").can("EditPhoto", photo).cause is Cause.UNAVAILABLE


def test_nobody_is_denied_without_a_call(engine, photo):
    """No token, no question."""
    authorization = Authorization(None)
    decision = authorization.can("EditPhoto", photo)

    assert decision == Decision(Verdict.NOT_PERMITTED, cause=Cause.UNIDENTIFIED)
    assert not engine.batches
    assert not authorization.rounds
    with pytest.raises(ActionDenied):
        authorization.require("EditPhoto", photo)


def test_an_anonymous_principal_is_asked_about(settings, photo):
    """Where the settings name one, visitors may see what is public."""
    settings.AVP_ANONYMOUS_PRINCIPAL = 'Visitor::"anonymous"'
    Photo.objects.filter(pk=photo.pk).update(is_public=True)
    photo.refresh_from_db()

    assert Authorization(None).can("ViewPhoto", photo)
    assert not Authorization(None).can("EditPhoto", photo)
    assert Authorization(None).user is None


def test_what_is_closed_denies_what_visitors_may(settings, authorize, photo):
    """Whoever was asked about is somebody else now, and nobody is asked about in their place."""
    settings.AVP_ANONYMOUS_PRINCIPAL = 'Visitor::"anonymous"'
    Photo.objects.filter(pk=photo.pk).update(is_public=True)
    photo.refresh_from_db()
    authorization = authorize("ann")
    assert authorization.can("ViewPhoto", photo)
    authorization.close()

    assert authorization.can("ViewPhoto", photo) == Decision(Verdict.NOT_PERMITTED, cause=Cause.UNIDENTIFIED)
    assert not authorization.permitted("ViewPhoto", Photo.objects.all())


def test_a9_nothing_is_decided_about_a_principal_that_avp_would_refuse(settings, photo, engine, caplog):
    """Its id has a line break."""
    settings.AVP_USER_MODE = "token"
    authorization = Authorization(Identity(EntityUid("PhotoFlash::User", "eu-west-1_AbCdEf123|a\nb")))
    assert authorization.can("ViewPhoto", photo) == Decision(Verdict.UNDECIDED, cause=Cause.INVALID)
    assert engine.batches == []
    assert caplog.records[-1].fault == "invalid_id"


def test_too_many_groups_decide_nothing(authorize, photo, engine, caplog):
    """AVP takes 99 groups; what passes here has to pass there (rule A2)."""
    few = authorize("ann", *[f"group {number}" for number in range(99)])
    many = authorize("ann", *[f"group {number}" for number in range(100)])

    assert few.can("EditPhoto", photo)
    assert many.can("EditPhoto", photo) == Decision(Verdict.UNDECIDED, cause=Cause.INVALID)
    assert len(engine.batches) == 1
    assert caplog.records[-1].fault == "too_many_groups"


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("Edit\nPhoto", EntityUid("Album", "1")),
        ("EditPhoto", EntityUid("Thing", "a\0b")),
        ("EditPhoto", EntityUid("Thing", "x" * 613)),
        ("EditPhoto", EntityUid("Thing", "")),
    ],
)
def test_an_id_that_avp_refuses_decides_nothing(authorize, engine, action, resource):
    """Rule A9 holds in every engine."""
    assert authorize("ann").can(action, resource).cause is Cause.INVALID
    assert not engine.batches


def test_a_context_of_the_request_is_in_every_check(settings, rf, photo, user):
    """AVP_CONTEXT is called once, and what the schema does not declare is left out (rule A7)."""
    calls = []
    settings.AVP_CONTEXT = lambda request: calls.append(request) or {"mfa": True, "unknown": "x"}
    request = rf.get("/")
    user("bob")
    authorization = Authorization(Identity.from_claims({"sub": "bob"}), request=request)

    assert authorization.can("EditPhoto", photo)
    assert authorization.can("ListPhotos")
    assert not authorization.can("EditPhoto", photo, context={"mfa": False})
    assert calls == [request]


def test_a_context_can_be_given_outside_of_a_request(settings, photo, user):
    """AVP_CONTEXT is about requests; a task gives its own."""
    settings.AVP_CONTEXT = lambda request: {"mfa": False}
    user("bob")
    identity = Identity.from_claims({"sub": "bob"})

    assert Authorization(identity, context={"mfa": True}).can("EditPhoto", photo)
    assert not Authorization(identity).can("EditPhoto", photo)


def test_without_a_schema_the_whole_context_is_sent(settings, tmp_path, photo, user):
    """There is nothing to project onto."""
    (tmp_path / "a.cedar").write_text('permit (principal, action, resource) when { context.anything == "x" };')
    settings.AVP_POLICIES = tmp_path
    identity = Identity.from_claims({"sub": "ann"})

    assert Authorization(identity, context={"anything": "x"}).can("EditPhoto", photo)


def test_a_store_is_named_by_the_request(settings, rf):
    """Each tenant has its own, asked for once."""
    settings.AVP_POLICY_STORE_ID = lambda request: request.headers["X-Tenant"]
    request = rf.get("/", headers={"X-Tenant": "store-1"})

    assert asker_of(Authorization(None, request=request)).store() == "store-1"
    assert asker_of(Authorization(None, store="store-2", request=request)).store() == "store-2"
    with pytest.raises(ImproperlyConfigured, match="store="):
        asker_of(Authorization(None)).store()


def test_c5_what_tells_who_asks_is_read_by_no_template_unless_that_marks_the_page(authorize):
    """Templates cannot read names with an underscore; whatever else leads there makes the response personal."""
    seen = 0
    for name in (name for name in dir(Authorization) + list(vars(authorize("ann"))) if not name.startswith("_")):
        avp = authorize("ann")
        avp.is_used = False
        value = getattr(avp, name)
        if isinstance(value, Asker | Identity | get_user_model()):
            assert avp.is_used, name
            seen += 1
    assert seen == 2  # the identity and its user


def test_a_store_is_named_by_the_settings(settings):
    """Most sites have one."""
    settings.AVP_POLICY_STORE_ID = "PSEXAMPLE"

    assert asker_of(Authorization(None)).store() == "PSEXAMPLE"


def test_forget_decides_anew(authorize, photo, engine):
    """After a write the database is asked again, whatever instance is at hand."""
    authorization = authorize("ann")
    assert authorization.can("EditPhoto", photo)
    Photo.objects.filter(pk=photo.pk).update(owner=None)
    assert authorization.can("EditPhoto", photo)

    authorization.forget(photo)

    assert not authorization.can("EditPhoto", photo)
    assert len(engine.batches) == 2


def test_forgetting_a_parent_reaches_what_hangs_on_it(authorize, user):
    """An album that is moved changes the answers about its photos."""
    album = Album.objects.create(title="a", account=Account.objects.create(name="m", slug="main"))
    photo = Photo.objects.create(owner=user("ann"), album=album)
    authorization = authorize("ann")
    assert authorization.can("EditPhoto", photo)
    album.account = Account.objects.create(name="old", slug="archive")
    album.save()

    authorization.forget(album)

    assert authorization.can("EditPhoto", photo).determining_policies == ("archived",)


def test_a_round_is_announced(authorize, photo):
    """Receivers get the round and its decisions; one that fails changes nothing."""
    heard = []

    def hear(**kwargs):
        heard.append(kwargs)

    def fail(**kwargs):
        raise RuntimeError

    decisions_made.connect(hear)
    decisions_made.connect(fail)
    try:
        authorization = authorize("ann")
        assert authorization.can("EditPhoto", photo)
    finally:
        decisions_made.disconnect(hear)
        decisions_made.disconnect(fail)

    (event,) = heard
    assert event["round"] == authorization.rounds[0]
    assert event["authorization"] is authorization
    assert [bool(decision) for decision in event["decisions"].values()] == [True]


def test_decisions_are_audited(authorize, photo, caplog):
    """Who, what, on what, and by which policy; no claim and no attribute."""
    caplog.set_level(logging.INFO, "django_avp.audit")
    authorize("ann", email="ann@example.com").can("EditPhoto", photo)

    (record,) = [record for record in caplog.records if record.name == "django_avp.audit"]
    assert record.message == "avp.decision"
    assert record.principal == "eu-west-1_AbCdEf123|ann"
    assert record.action == "EditPhoto"
    assert record.resource == f'PhotoFlash::Photo::"{photo.pk}"'
    assert record.verdict == "permitted"
    assert record.policies == ("owner",)
    assert "example.com" not in str(vars(record))
    assert "dawn" not in str(vars(record))


def test_a_pickled_authorization_denies(authorize, photo):
    """What comes back carries no token, and no decision (rule C8)."""
    authorization = authorize("ann")
    authorization.can("EditPhoto", photo)
    stub = pickle.loads(pickle.dumps(authorization))  # noqa: S301

    assert not stub.can("EditPhoto", photo)
    assert stub.identity is None


def test_a_copied_authorization_is_the_same(authorize, photo):
    """Copying a user or a request makes no second memory, and no way around what was forgotten."""
    authorization = authorize("ann")

    assert copy.copy(authorization) is copy.deepcopy(authorization) is authorization


def test_a_request_is_typed():
    """Views may be annotated with a request that has avp."""
    assert HttpRequest.__annotations__ == {"avp": "Authorization"}
    assert issubclass(HttpRequest, DjangoHttpRequest)


def test_a_closed_authorization_denies_what_it_had_decided(authorize, photo):
    """Nothing survives a sign-out."""
    authorization = authorize("ann")
    assert authorization.can("EditPhoto", photo)
    authorization.close()

    assert not authorization.can("EditPhoto", photo)
    assert authorization.user is None


def test_threads_of_a_request_share_a_round(settings):
    """One that finds its check taken by another waits for the decision."""
    settings.AVP_USER_MODE = "token"
    asked, answered = threading.Event(), threading.Event()

    class Slow(CountingEngine):
        def decide(self, batch):
            asked.set()
            answered.wait(timeout=30)
            return super().decide(batch)

    with runtime.use_engine(Slow()) as slow, ThreadPoolExecutor(2) as pool:
        authorization = Authorization(Identity.from_claims({"sub": "mona", "cognito:groups": ["moderators"]}))
        first = pool.submit(authorization.can, "Moderate")
        asked.wait(timeout=30)
        second = pool.submit(authorization.can, "Moderate")
        answered.set()

        assert first.result(timeout=30)
        assert second.result(timeout=30)
    assert len(slow.batches) == 1


def test_the_async_twins_answer_the_same(authorize, photo):
    """acan, adecide and arequire are awaited, and share what was decided."""
    received = []

    async def scenario():
        authorization = await sync_to_async(authorize)("ann")
        authorization.collect(["EditPhoto", "DeletePhoto"], photo)
        await authorization.adecide()
        await authorization.adecide()
        assert await authorization.acan("EditPhoto", photo)
        assert await authorization.arequire("DeletePhoto", photo)
        assert not await authorization.acan("Moderate")
        with pytest.raises(ActionDenied):
            await authorization.arequire("Moderate")
        assert (await authorization.auser()).username.endswith("|ann")
        return len(authorization.rounds)

    def hear(**kwargs):
        received.append(kwargs["round"].checks)

    decisions_made.connect(hear)
    try:
        assert async_to_sync(scenario)() == 2
    finally:
        decisions_made.disconnect(hear)
    assert received == [2, 1]


def test_the_async_twins_deny_when_the_engine_is_down(authorize, photo):
    """The same exceptions as in sync code."""

    class AsyncBroken(CedarEngine):
        async def adecide(self, batch):
            raise AuthorizationUnavailable

    async def scenario():
        authorization = await sync_to_async(authorize)("ann")
        with pytest.raises(AuthorizationUnavailable):
            await authorization.arequire("EditPhoto", photo)

    with runtime.use_engine(AsyncBroken()):
        async_to_sync(scenario)()


def test_a_decision_in_a_template_is_readable_and_claims_are_not(authorize, photo):
    """Templates may show verdict and policies; underscore names stay out of their reach (rule C8)."""
    authorization = authorize("ann", email="ann@example.com")
    shown = Template("{{ d.verdict }} {{ d.determining_policies.0 }}{{ avp.identity.email }}").render(
        Context({"d": authorization.can("EditPhoto", photo), "avp": authorization})
    )

    assert shown == "permitted owner"


def test_a_context_that_is_refused_is_not_collected(authorize, user, caplog):
    """The other checks of the round are decided without it (rule A6)."""
    user("ann")
    avp = authorize("ann")
    avp.collect("ListPhotos", context={"note": {"__entity": {"type": "User", "id": "x"}}})
    avp.collect("ListPhotos")
    avp.decide()

    assert [round_.checks for round_ in avp.rounds] == [1]
    assert "avp.context_refused" in caplog.messages
