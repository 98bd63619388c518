"""The addresses of the development issuer. Importing them where it must not exist is an error."""

from __future__ import annotations

from django.urls import include, path

from example_project.signin import views
from example_project.signin.issuer import require_dev_issuer

require_dev_issuer()

app_name = "dev_issuer"

endpoints = [
    path(".well-known/openid-configuration", views.discovery, name="discovery"),
    path(".well-known/jwks.json", views.key_set, name="key_set"),
    path("authorize/", views.authorize, name="authorize"),
    path("token/", views.token, name="token"),
    path("revoke/", views.revoke, name="revoke"),
    path("sign-out/", views.sign_out, name="sign_out"),
]

urlpatterns = [path("dev-issuer/<str:pool>/", include(endpoints))]
