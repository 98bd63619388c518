"""The app with the development issuer, and the words that pages say about signing in."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class SigninConfig(AppConfig):
    name = "example_project.signin"

    def ready(self) -> None:
        import_module("example_project.signin.receivers")
