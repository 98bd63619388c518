"""The addresses of signing in and out."""

from __future__ import annotations

from django.urls import path

from example_project.signin import views

app_name = "signin"

urlpatterns = [
    path("sign-in/", views.ChooseUser.as_view(), name="choose"),
    path("sign-out/", views.sign_out, name="out"),
]
