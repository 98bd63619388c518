"""What an OpenAPI schema says: who may ask, which action each operation needs, and what the refused get."""

from __future__ import annotations

import pytest
from django.urls import path, re_path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from rest_framework import generics, mixins
from rest_framework.permissions import AllowAny

from django_avp.rest_framework.openapi import AutoSchema
from django_avp.rest_framework.permissions import ActionPermission
from tests.rest_framework import api


@pytest.fixture
def document(monkeypatch):
    """Make the API's schema, with one of its views described in another way."""

    def make(schema_class=None):
        if schema_class is not None:
            monkeypatch.setattr(api.PhotoList, "schema", schema_class())
        schema = SchemaGenerator(patterns=api.urlpatterns).get_schema(request=None, public=True)
        validate_schema(schema)
        return schema

    return make


@pytest.fixture
def operations(document):
    """The operations of the API, by method and address."""
    schema = document()
    return {(method, path): one for path, methods in schema["paths"].items() for method, one in methods.items()}


def test_operations_tell_their_action(operations):
    """As the gate asks it; one that is mapped to none has none, and is refused to everybody."""
    actions = {
        ("get", "/api/photos/"): "ListPhotos",
        ("post", "/api/photos/"): "CreatePhoto",
        ("get", "/api/photos/{id}/"): "ViewPhoto",
        ("put", "/api/photos/{id}/"): "EditPhoto",
        ("patch", "/api/photos/{id}/"): "EditPhoto",
        ("delete", "/api/photos/{id}/"): "DeletePhoto",
        ("post", "/api/photos/{id}/publish/"): "PublishPhoto",
        ("get", "/api/photos/{id}/forgotten/"): None,
        ("get", "/api/albums/"): "ListAlbums",
        ("get", "/api/list/"): "ListPhotos",
    }
    assert {key: operations[key].get("x-cedar-action") for key in actions} == actions


def test_a_generic_view_that_lists_and_shows_tells_both_actions():
    """By the keywords of each route, whatever the schema calls them; those of others are no lookup."""

    class Both(api.Gated, mixins.ListModelMixin, mixins.RetrieveModelMixin, generics.GenericAPIView):
        queryset, serializer_class, schema = api.PHOTOS, api.PlainSerializer, AutoSchema()

        def get(self, request, **kwargs):
            return self.retrieve(request) if kwargs else self.list(request)

    view = Both.as_view()
    routes = [
        path("a/", view),
        path("a/<int:pk>/", view),
        re_path(r"^b/(?P<pk>\d+)/$", view),
        path("c/<album_pk>/", view),
    ]
    paths = SchemaGenerator(patterns=routes).get_schema(request=None, public=True)["paths"]
    assert [one["get"]["x-cedar-action"] for _, one in sorted(paths.items())] == [
        "ListPhotos",
        "ViewPhoto",
        "ViewPhoto",
        "ListPhotos",
    ]


def test_operations_tell_what_the_refused_get(operations, document):
    """401 with its challenge, 403, and 503 with the time to wait, each with a body."""
    responses = operations["get", "/api/photos/{id}/"]["responses"]
    assert {"200", "401", "403", "503"} <= set(responses)
    assert set(responses["401"]["headers"]) == {"WWW-Authenticate"}
    assert set(responses["503"]["headers"]) == {"Retry-After"}
    assert responses["403"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Refusal"}
    assert set(document()["components"]["schemas"]["Refusal"]["properties"]) == {"detail", "code", "policies"}


def test_the_token_is_a_bearer_token(operations, document):
    """As Swagger UI and clients' generators know it."""
    assert operations["get", "/api/photos/"]["security"] == [{"cognito": []}]
    scheme = document()["components"]["securitySchemes"]["cognito"]
    assert scheme == {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


def test_what_is_permitted_is_an_object_of_booleans(document):
    """One for each action of the field, none of which a client sends."""
    may = document()["components"]["schemas"]["Photo"]["properties"]["may"]
    assert may["properties"] == {action: {"type": "boolean"} for action in api.BUTTONS}
    assert sorted(may["required"]) == sorted(api.BUTTONS)
    assert may["readOnly"] is True


@pytest.mark.parametrize("permission", [AllowAny, AllowAny & AllowAny])
def test_views_without_the_gate_are_as_drf_spectacular_has_them(document, monkeypatch, permission):
    """Nothing is claimed of them."""
    monkeypatch.setattr(api.PhotoList, "permission_classes", (permission,))
    operation = document()["paths"]["/api/list/"]["get"]
    assert "x-cedar-action" not in operation
    assert "403" not in operation["responses"]


def test_a_gate_that_is_composed_is_a_gate(document, monkeypatch):
    """However deep."""
    monkeypatch.setattr(api.PhotoList, "permission_classes", (AllowAny & (~AllowAny | ActionPermission),))
    assert document()["paths"]["/api/list/"]["get"]["x-cedar-action"] == "ListPhotos"


def test_what_is_left_out_stays_out(document):
    """Operations that a project excludes."""

    class Excluding(AutoSchema):
        def is_excluded(self):
            return True

    assert "/api/list/" in document()["paths"]
    assert "/api/list/" not in document(Excluding)["paths"]


def test_a_project_s_own_answers_stay(document):
    """What a view describes itself is not replaced."""

    class Describing(AutoSchema):
        def get_response_serializers(self):
            return {403: None}

    assert "content" not in document(Describing)["paths"]["/api/list/"]["get"]["responses"]["403"]
