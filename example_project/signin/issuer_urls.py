"""The addresses of the development issuer. Importing them where it must not exist is an error."""

from __future__ import annotations

from django.urls import path

from example_project.signin import views
from example_project.signin.issuer import require_dev_issuer

require_dev_issuer()

app_name = "dev_issuer"

urlpatterns = [
    path("sign-in/<slug:slug>/", views.sign_in, name="sign_in"),
    path("dev-issuer/<str:pool>/.well-known/jwks.json", views.key_set, name="key_set"),
]
