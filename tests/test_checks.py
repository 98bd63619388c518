"""``manage.py check``: each mistake is told with its cure."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core import checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import models
from django.urls import include, path
from django.utils import timezone
from django.views.decorators.cache import cache_page
from django.views.generic import TemplateView

from django_avp import entities
from django_avp.checks import api, base, engine, lists, policies, setup, usage
from django_avp.decorators import action_required
from django_avp.mixins import ActionRequiredMixin
from tests.testapp import views
from tests.testapp.models import Note, Photo, Tag


def found(prefix="django_avp."):
    return {
        message.id.removeprefix("django_avp."): message
        for message in checks.run_checks()
        if message.id.startswith(prefix)
    }


def test_the_test_site_has_no_problem():
    """Every other test changes one thing."""
    assert found() == {}


def test_ids_are_unique_and_in_order():
    """An id names one problem for ever."""
    source = "".join(Path(module.__file__).read_text() for module in (base, setup, policies, usage, engine, api, lists))
    ids = re.findall(r'id="django_avp\.[EW](\d{3})"', source)
    first_uses = list(dict.fromkeys(ids))

    assert set(ids) - {id_ for id_ in ids if ids.count(id_) == 1} <= {"025"}, "an id is used in one place"
    assert first_uses == [f"{number:03}" for number in range(1, len(first_uses) + 1)]


def test_manage_py_check_runs_them(settings):
    """They are really registered."""
    settings.AVP_USER_POOLS = {}
    with pytest.raises(SystemCheckError, match="django_avp.E002"):
        call_command("check")


def test_missing_pools(settings):
    """The setting is required; the message shows it."""
    del settings.AVP_USER_POOLS

    assert "AVP_USER_POOLS = {" in found()["E001"].msg


@pytest.mark.parametrize(
    ("pools", "ids"),
    [
        ({}, {"E002"}),
        ({"abc": ["x"]}, {"E003"}),
        ({7: ["x"]}, {"E003"}),
        ({"eu-west-1_Abc": None}, {"W004"}),
        ({"eu-west-1_Abc": "client"}, {"E005"}),
        ({"eu-west-1_Abc": []}, {"E005"}),
        ({"us-gov-west-1_Abc": ["x"]}, set()),
    ],
)
def test_pools(settings, pools, ids):
    """Ids have Cognito's form, clients are a list, and skipping them is said aloud."""
    settings.AVP_USER_POOLS = pools

    assert set(found()) == ids


@pytest.mark.parametrize(
    ("name", "value", "id_"),
    [
        ("AVP_ON_POLICY_ERROR", "deny", "E001"),
        ("AVP_USER_MODE", "models", "E001"),
        ("AVP_APPLICATION", "Application", "E001"),
        ("AVP_TOKEN_SOURCES", ["nowhere.Source"], "E001"),
        ("AVP_TOKEN_USE", ("refresh",), "E006"),
        ("AVP_TOKEN_USE", (), "E006"),
        ("AVP_LEEWAY", "5", "E001"),
        ("AVP_TOKEN_MEMORY", -1, "E001"),
        ("AVP_CONTEXT", "nowhere.context", "E001"),
        ("AVP_USER_RESOLVER", "nowhere.resolve", "E001"),
        ("AVP_ENGINE", "nowhere.Engine", "E008"),
        ("AVP_USER_ID_FIELD", "principal", "E014"),
        ("AVP_USER_ID_FIELD", "first_name", "E015"),
        ("AUTHENTICATION_BACKENDS", ["django.contrib.auth.backends.ModelBackend"], "W013"),
        ("AVP_PERMISSION_ACTIONS", {"testapp.change_photo": "EditPhotos"}, "E025"),
        ("AVP_PERMISSION_ACTIONS", {"testapp.change_photo": {"model": 'A::"'}}, "E025"),
        ("AVP_POLICIES", [], "E016"),
    ],
)
def test_settings(settings, name, value, id_):
    """Each wrong value is told."""
    setattr(settings, name, value)

    assert id_ in found()


def test_token_mode_needs_no_user_model(settings):
    """Users are not looked up, so their field need not be unique."""
    settings.AVP_USER_MODE = "token"
    settings.AVP_USER_ID_FIELD = "first_name"

    assert found() == {}


def test_another_engine_needs_no_policy_files(settings):
    """They are checked where they are there."""
    settings.AVP_POLICIES = []
    settings.AVP_ENGINE = "tests.site_engines.BrokenEngine"

    assert found() == {}


def test_a_broken_policy_file(settings, tmp_path):
    """With file and line."""
    settings.AVP_POLICIES = tmp_path
    (tmp_path / "a.cedar").write_text("permit (principal, action, resource)\nwhen { resource.x === 1 };")

    assert found()["E016"].msg.startswith(f"{tmp_path}/a.cedar:")


@pytest.mark.parametrize("engine", ["django_avp.engines.cedar.CedarEngine", "tests.site_engines.BrokenEngine"])
def test_a_missing_directory(settings, tmp_path, engine):
    """An error, whatever the others have: the forbids may have been in it."""
    (tmp_path / "a.cedar").write_text("permit (principal, action, resource);")
    settings.AVP_ENGINE = engine
    settings.AVP_POLICIES = [tmp_path, tmp_path / "forbids"]

    assert found()["E016"].msg.startswith(f"AVP_POLICIES: {tmp_path}/forbids is not a directory.")


def test_policies_without_a_schema(settings, tmp_path):
    """A warning: much can be misspelt."""
    settings.AVP_POLICIES = tmp_path
    (tmp_path / "a.cedar").write_text("permit (principal, action, resource);")

    assert set(found()) == {"W018"}


def test_a_policy_that_does_not_fit_the_schema(settings, tmp_path):
    """What AVP's strict validation would refuse."""
    settings.AVP_POLICIES = tmp_path
    source = Path(__file__).parent / "policies" / "schema.cedarschema"
    (tmp_path / "schema.cedarschema").write_text(source.read_text())
    (tmp_path / "a.cedar").write_text(
        'permit (principal, action == PhotoFlash::Action::"ViewPhoto", resource) when { resource.titel == "x" };'
    )

    assert "titel" in found()["E017"].msg


@pytest.fixture
def register():
    """Register an entity for the length of a test."""
    registered = []

    def make(model, **attributes):
        registered.append(model)
        entities.register(model)(type("Made", (entities.ModelEntity,), attributes))

    yield make
    for model in registered:
        entities.registry.unregister(model)


@pytest.mark.parametrize(
    ("attributes", "id_", "text"),
    [
        ({"attributes": ["nmae"]}, "E019", "Did you mean 'name'"),
        ({"attributes": ["photo"]}, "E023", "PhotoFlash::Tag"),
        ({"type": "User"}, "E020", "reserved"),
        ({"type": "Photo"}, "E021", "testapp.Photo"),
        ({"type": "Word"}, "E023", "PhotoFlash::Word"),
        ({"type": "Album", "attributes": ["name"]}, "E024", "'name'"),
    ],
)
def test_entities(register, attributes, id_, text):
    """A declaration that does not hold together is told before it is used."""
    register(Tag, **attributes)

    messages = [message for message in checks.run_checks() if message.id == f"django_avp.{id_}"]
    assert any(text in message.msg or text in (message.hint or "") for message in messages)


def test_principals_of_a_type_that_the_schema_lacks(settings):
    """Everything would be undecided; mostly the namespace is misspelt."""
    settings.AVP_PRINCIPAL_TYPE = "Person"

    assert "PhotoFlash::Person" in found()["E022"].msg


def test_a_float_is_told_with_its_cure(register):
    """And not at run time."""

    class Weight(models.Model):
        grams = models.FloatField()
        raw = models.BinaryField()
        meta = models.JSONField()

        class Meta:
            app_label = "testapp"

    register(Weight, attributes=["grams", "raw", "meta"])
    messages = [message.msg for message in checks.run_checks() if message.id == "django_avp.E019"]

    assert any("DecimalField" in message for message in messages)
    assert any("BinaryField" in message for message in messages)
    assert any("shapes" in message for message in messages)


class Urls:
    """A URL configuration of one view."""

    def __init__(self, view):
        self.urlpatterns = [path("x/", view)]


@action_required("EditPhotos", also=["ViewPhoto", ("ListPhots", None)])
def misspelt(request):
    """Names actions that are not there."""


class Misspelt(ActionRequiredMixin, TemplateView):
    """The same in a class."""

    action_required = "ListPhot"


class Unnamed(ActionRequiredMixin, TemplateView):
    """Names none; that is told when it is used."""


def test_misspelt_actions_in_views(settings):
    """With the nearest right name, since they would be denied in silence."""
    settings.ROOT_URLCONF = Urls(misspelt)
    messages = [message for message in checks.run_checks() if message.id == "django_avp.E025"]
    assert [message.hint for message in messages] == ["Did you mean 'EditPhoto'?", "Did you mean 'ListPhotos'?"]
    assert "test_checks.misspelt" in messages[0].msg

    settings.ROOT_URLCONF = Urls(Misspelt.as_view())
    assert "ListPhot'" in found()["E025"].msg
    settings.ROOT_URLCONF = Urls(Unnamed.as_view())
    assert found() == {}


def test_views_of_included_urls_are_looked_at(settings):
    """However deep."""
    settings.ROOT_URLCONF = Urls(misspelt)
    settings.ROOT_URLCONF.urlpatterns = [path("a/", include([path("b/", include([path("c/", misspelt)]))]))]

    assert "E025" in found()


def test_every_template_engine_is_looked_at(settings, tmp_path):
    """Cached loaders too; Jinja2's templates have no tags, and loaders without directories no list."""
    loaders = [
        (
            "django.template.loaders.cached.Loader",
            ["django.template.loaders.filesystem.Loader", ("django.template.loaders.locmem.Loader", {})],
        )
    ]
    options = {"loaders": loaders}
    django = {"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [tmp_path], "OPTIONS": options}
    settings.TEMPLATES = [django, {"BACKEND": "django.template.backends.jinja2.Jinja2", "DIRS": [tmp_path]}]
    (tmp_path / "page.html").write_text('{% load avp %}{% can "Nothing" %}{% endcan %}')

    assert f"{tmp_path}/page.html:1" in found()["E025"].msg


def test_misspelt_actions_in_templates(settings, tmp_path):
    """With file and line; a template that does not compile is left to its own error."""
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    (tmp_path / "page.html").write_text(
        '{% load avp %}\n\n{% can "Nothing" photo %}{% endcan %}{% can x %}{% endcan %}'
    )
    (tmp_path / "broken.html").write_text("{% if %}")
    (tmp_path / "picture.bin").write_bytes(b"\xff")

    error = found()["E025"]
    assert f"{tmp_path}/page.html:3" in error.msg
    assert error.hint == "Declare it in schema.cedarschema."


def test_a_check_in_a_cached_fragment(settings, tmp_path):
    """One user's buttons would be shown to all."""
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    (tmp_path / "page.html").write_text(
        '{% load avp cache %}\n{% cache 60 x %}{% can "ViewPhoto" photo %}{% endcan %}{% endcache %}'
    )

    assert f"{tmp_path}/page.html:2" in found()["W026"].msg


@pytest.mark.parametrize(
    ("view", "warned"),
    [
        (cache_page(60)(views.moderate), True),
        (cache_page(60)(views.PhotoList.as_view()), True),
        (action_required("Moderate")(cache_page(60)(views.open_page)), False),
        (cache_page(60)(views.open_page), False),
    ],
    ids=["around a function", "around a class", "inside of a gate", "without a gate"],
)
def test_a_cache_outside_of_a_gate(settings, view, warned):
    """It would answer in the gate's place."""
    settings.ROOT_URLCONF = Urls(view)

    assert ("W027" in found()) is warned


def test_the_embedded_engine_needs_policies(settings):
    """The message says where they are looked for."""
    settings.AVP_POLICIES = []

    assert "AVP_POLICIES" in found()["E016"].msg


def test_note_stays_unregistered():
    """The registry is as it was."""
    assert entities.registry.find(Note) is None
    assert entities.registry.find(Tag) is None


def test_a_view_that_declares_nothing_where_every_one_has_to(settings):
    """Each is named once, and only where it would be refused."""
    settings.ROOT_URLCONF = "tests.required_urls"
    assert "W028" not in found()
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django_avp.middleware.AuthorizationRequiredMiddleware"]

    told = [message.msg.partition(" ")[0] for message in checks.run_checks() if message.id == "django_avp.W028"]

    assert sorted(told) == [
        f"tests.required_urls.{name}" for name in ("Undeclared", "aundeclared", "undeclared", "writes")
    ]


def test_settings_that_verified_permissions_cannot_follow(settings):
    """It needs a store, and does not tell which policy could not be evaluated."""
    settings.AVP_ENGINE = "django_avp.engines.verified_permissions.VerifiedPermissionsEngine"
    settings.AVP_ON_POLICY_ERROR = "forbids"
    assert {"E029", "E030"} <= found().keys()
    settings.AVP_POLICY_STORE_ID = "PSEXAMPLEabcdefg111111"
    settings.AVP_ON_POLICY_ERROR = "any"
    assert found() == {}


def test_settings_that_the_synced_engine_cannot_follow(settings, tmp_path):
    """It needs a store, a cache that workers share, and time for a reading that fails."""
    settings.AVP_ENGINE = "django_avp.engines.synced.SyncedEngine"
    settings.AVP_SYNC_MAX_AGE = 60
    settings.AVP_ON_POLICY_ERROR = "forbids"
    assert found().keys() == {"E029", "W032", "E034"}
    settings.AVP_POLICY_STORE_ID = "PSEXAMPLEabcdefg111111"
    settings.AVP_SYNC_MAX_AGE = 300
    settings.CACHES = {
        **settings.CACHES,
        "shared": {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": str(tmp_path)},
    }
    settings.AVP_CACHE = "shared"
    assert found() == {}


def test_a_cache_that_remembers_nothing(settings):
    """It is not there, is each worker's own, or never has the same question."""
    settings.AVP_CACHE = "nowhere"
    assert found().keys() == {"E031"}
    settings.AVP_CACHE = "default"
    assert found() == {}
    settings.AVP_CACHE_TTL = 60
    assert found().keys() == {"W032"}
    settings.AVP_CONTEXT = clocked
    assert found().keys() == {"W032", "W033"}
    settings.AVP_CONTEXT = dict
    assert found().keys() == {"W032"}
    settings.DEBUG = True
    assert "W032" not in found()


def clocked(request):
    return {"hour": timezone.now().hour}


def test_attributes_that_no_list_can_be_filtered_by(settings, tmp_path):
    """Where a policy reads them, or every entity has to have them."""
    policies = Path(settings.AVP_POLICIES)
    for file in policies.iterdir():
        (tmp_path / file.name).write_text(file.read_text())
    (tmp_path / "more.cedar").write_text("permit (principal, action, resource) when { resource has initial };")
    settings.AVP_POLICIES = tmp_path
    assert "'initial'" in found()["W036"].msg
    assert "expression_initial" in found()["W036"].hint


def test_expressions_that_are_none(monkeypatch):
    """Of no attribute, or of columns that there are not."""
    entity = type(entities.registry.get(Photo))
    monkeypatch.setattr(entity, "expression_other", lambda self: models.F("title"), raising=False)
    assert "attribute_other" in found()["E019"].msg
    monkeypatch.undo()
    monkeypatch.setattr(entity, "expression_initial", lambda self: models.F("nope") + 1, raising=False)
    assert "expression_initial" in found()["E019"].msg


def test_a_misspelt_permitted_action(settings):
    """The rows of such a view would always be none."""

    class Mine(ActionRequiredMixin, TemplateView):
        action_required = "ListPhotos"
        permitted_action = "ViewPhotoo"

    settings.ROOT_URLCONF = Urls(Mine.as_view())
    assert "ViewPhotoo" in found()["E025"].msg
