"""Gates of function views and class-based views, sync and async."""

from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import ImproperlyConfigured
from django.http import Http404, HttpResponse
from django.test import AsyncClient, Client
from django.views.generic import CreateView, DetailView, TemplateView

from django_avp.authorization import Authorization
from django_avp.decorators import action_required
from django_avp.gates import Gate
from django_avp.identity import Identity
from django_avp.mixins import ActionRequiredMixin
from django_avp.runtime import runtime
from tests.site_engines import BrokenEngine
from tests.testapp.models import Album, Photo

pytestmark = pytest.mark.django_db


@pytest.fixture
def request_of(rf, user):
    """A request of a user, without the middleware."""

    def make(sub):
        user(sub)
        request = rf.get("/")
        request.avp = Authorization(Identity.from_claims({"sub": sub}), request=request)
        return request

    return make


@pytest.mark.parametrize("path", ["edit", "aedit", "form"])
def test_a_gate_lets_the_permitted_in_and_the_others_not(make_client, photo, path):
    """200, 403 and 401 are three answers."""
    url = f"/photos/{photo.pk}/{path}/"

    assert make_client("ann").get(url).status_code == 200
    assert make_client("bob").get(url).status_code == 403
    assert Client().get(url).status_code == 401


def test_what_a_gate_names_also_is_decided_with_it(make_client, photo):
    """The view reads its buttons without another round."""
    assert make_client("ann").get(f"/photos/{photo.pk}/edit/").json() == {"delete": True, "rounds": 1}


def test_a_coroutine_view_is_gated_by_awaiting(make_async_client, photo):
    """The resource may be found by a coroutine function."""

    async def scenario():
        response = await make_async_client("ann").get(f"/photos/{photo.pk}/aedit/")
        assert response.json() == {"delete": True, "rounds": 1}
        assert (await make_async_client("bob").get(f"/photos/{photo.pk}/aedit/")).status_code == 403
        assert (await AsyncClient().get(f"/photos/{photo.pk}/aedit/")).status_code == 401
        # Sync views and gates work in an async stack too.
        assert (await make_async_client("ann").get(f"/photos/{photo.pk}/edit/")).json()["rounds"] == 1

    async_to_sync(scenario)()


def test_an_async_class_based_view_is_gated_by_awaiting(make_async_client, photo):
    """Its object is fetched once, outside of the loop."""

    async def scenario():
        response = await make_async_client("ann").get(f"/photos/{photo.pk}/async/")
        assert response.json() == {"edit": True}
        assert (await make_async_client("bob").get(f"/photos/{photo.pk}/async/")).status_code == 403

    async_to_sync(scenario)()


def test_a_gate_that_hides_answers_404(make_client, photo, mint):
    """Refused and absent look the same; the unidentified still learn that they have to sign in."""
    url = f"/photos/{photo.pk}/hidden/"

    assert make_client("ann").get(url).status_code == 200
    assert make_client("bob").get(url).status_code == 404
    assert make_client("bob").get("/photos/999/hidden/").status_code == 404
    assert Client().get(url).status_code == 401


def test_the_unidentified_do_not_learn_what_exists(django_assert_num_queries):
    """They are refused before anything is fetched (rule D2)."""
    with django_assert_num_queries(0):
        assert Client().get("/photos/1/edit/").status_code == 401
        assert Client().get("/photos/1/").status_code == 401


def test_a_resource_that_is_not_there_is_404(make_client):
    """For who is signed in."""
    assert make_client("ann").get("/photos/999/edit/").status_code == 404
    assert make_client("ann").get("/photos/999/").status_code == 404


def test_an_engine_that_is_down_is_503(make_client, photo):
    """Undecided is not refused."""
    with runtime.use_engine(BrokenEngine()):
        response = make_client("ann").get(f"/photos/{photo.pk}/edit/")

    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"
    assert response.json()["code"] == "unavailable"


def test_a_view_of_an_object_fetches_it_once(make_client, photo, django_assert_num_queries):
    """The gate's object is the view's: user, photo and the page's own reads."""
    Photo.objects.filter(pk=photo.pk).update(is_public=True)
    client = make_client("bob")
    client.get("/open/")
    with django_assert_num_queries(6):
        # user, photo, its owner's id, tags, viewers, commenters
        assert client.get(f"/photos/{photo.pk}/").status_code == 200


def test_a_gate_on_a_text_id_that_is_none_is_404(request_of):
    """A URL that any text fits must not end in a server error."""

    @action_required("EditPhoto", resource=(Photo, "pk"))
    def view(request, pk):
        return HttpResponse()

    with pytest.raises(Http404):
        view(request_of("ann"), pk="x")


@pytest.fixture
def all_powerful(settings, tmp_path):
    """Policies that permit everything, to the application too."""
    (tmp_path / "a.cedar").write_text("permit (principal, action, resource);")
    settings.AVP_POLICIES = tmp_path


@pytest.mark.usefixtures("all_powerful")
def test_a_resource_that_was_not_found_is_404(request_of):
    """What is missing is not the application, which somebody might be permitted to do anything with."""

    @action_required("EditPhoto", resource=lambda request: Photo.objects.filter(pk=404).first())
    def view(request):
        return HttpResponse(b"in")

    async def find(request):
        return await Photo.objects.filter(pk=404).afirst()

    @action_required("EditPhoto", resource=find)
    async def aview(request):
        return HttpResponse(b"in")

    class View(ActionRequiredMixin, DetailView):
        action_required = "EditPhoto"
        template_name = "photo.html"

        def get_object(self, queryset=None):
            return Photo.objects.filter(pk=404).first()

    with pytest.raises(Http404):
        view(request_of("ann"))
    with pytest.raises(Http404):
        async_to_sync(aview)(request_of("ann"))
    with pytest.raises(Http404):
        View.as_view()(request_of("ann"))


@pytest.mark.parametrize("path", ["aedit", "async"])
def test_an_async_gate_may_need_the_database_for_its_context(make_async_client, settings, path):
    """AVP_CONTEXT is a plain function, and is not called in the event loop."""
    settings.AVP_CONTEXT = lambda request: {"mfa": Photo.objects.exists()}
    photo = Photo.objects.create(is_public=True)

    async def scenario():
        return (await make_async_client("bob").get(f"/photos/{photo.pk}/{path}/")).status_code

    # EditPhoto is permitted by mfa; its button, DeletePhoto, is not.
    assert async_to_sync(scenario)() == 200


def test_a_coroutine_view_may_name_a_model(request_of, photo):
    """The row is fetched outside of the event loop."""

    @action_required("EditPhoto", resource=(Photo, "pk"))
    async def view(request, pk):
        return HttpResponse(b"in")

    assert async_to_sync(view)(request_of("ann"), pk=photo.pk).content == b"in"


def test_a_keyword_that_the_url_lacks_is_named(request_of):
    """The message says which there are."""

    @action_required("EditPhoto", resource=(Photo, "pk"))
    def view(request, photo_id):
        return HttpResponse()

    with pytest.raises(ImproperlyConfigured, match=r"no 'pk', only \['photo_id'\]"):
        view(request_of("ann"), photo_id=1)


def test_a_request_without_the_middleware_is_an_error(rf):
    """A gate that cannot ask must not let anybody in; the message names the setting."""

    @action_required("Moderate")
    def view(request):
        return HttpResponse()

    with pytest.raises(ImproperlyConfigured, match="MIDDLEWARE"):
        view(rf.get("/"))


def test_a_class_without_an_action_is_an_error(request_of):
    """Forgetting the attribute must not open the view."""

    class Page(ActionRequiredMixin, TemplateView):
        template_name = "photo.html"

    with pytest.raises(ImproperlyConfigured, match=r"Page\.action_required"):
        Page.as_view()(request_of("ann"))


def test_views_that_make_an_object_are_gated_on_the_application(request_of):
    """There is no object yet; another resource is named by overriding a method."""

    class Create(ActionRequiredMixin, CreateView):
        action_required = "ListPhotos"
        model = Photo
        fields = ("title",)
        template_name = "photo.html"

    assert Create.as_view()(request_of("ann")).status_code == 200


def test_an_overridden_get_object_is_called_once(request_of, photo):
    """Memoised whatever it does."""
    calls = []

    class Detail(ActionRequiredMixin, DetailView):
        action_required = "EditPhoto"
        template_name = "photo.html"

        def get_object(self, queryset=None):
            calls.append(1)
            return Photo.objects.get(pk=photo.pk)

    assert Detail.as_view()(request_of("ann")).status_code == 200
    assert calls == [1]


def test_every_verb_passes_the_gate(make_client, photo):
    """HEAD and OPTIONS are not a way around it."""
    client = make_client("bob")
    for verb in ("get", "head", "options", "post", "put", "patch", "delete", "trace"):
        assert getattr(client, verb)(f"/photos/{photo.pk}/form/").status_code == 403


def test_a_page_and_its_list_share_a_round(make_client, photo):
    """What a list view's rows ask joins the gate's round."""
    response = make_client("ann").get("/photos/")

    assert response.content.decode().strip() == f"{photo.pk}:ved;"
    assert [round_.checks for round_ in response.wsgi_request.avp.rounds] == [4]


@pytest.mark.parametrize("keyword", ["pk", "album_pk", "title", "album_title", "parent_id"])
def test_a_keyword_may_begin_with_the_model(keyword, db, rf):
    """As nested routes have it, unless the model has such a column itself."""
    parent = Album.objects.create(title="root")
    album = Album.objects.create(title="roof", parent=parent)
    value = {"pk": album.pk, "title": "roof", "parent_id": parent.pk}[keyword.removeprefix("album_")]

    assert Gate("ViewAlbum", (Album, keyword)).find(rf.get("/"), {keyword: value}) == album
