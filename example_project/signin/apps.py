"""The app with the sign-in page and the development issuer."""

from __future__ import annotations

from django.apps import AppConfig


class SigninConfig(AppConfig):
    name = "example_project.signin"
