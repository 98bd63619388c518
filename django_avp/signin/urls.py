"""The addresses of signing in and out; the callback's has to be registered with the app client."""

from __future__ import annotations

from django.urls import path

from django_avp.signin import views

app_name = "avp"

urlpatterns = [
    path("sign-in/", views.sign_in, name="sign_in"),
    path("sign-in/callback/", views.callback, name="callback"),
    path("sign-out/", views.sign_out, name="sign_out"),
]
