"""The app configuration: registers the receiver that forgets tokens. Its system checks come with the others."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig

__all__ = ["SignInConfig"]


class SignInConfig(AppConfig):
    """Sign-in by Amazon Cognito's own pages."""

    name = "django_avp.signin"
    label = "django_avp_signin"
    verbose_name = "Sign-in"

    def ready(self) -> None:
        """Load what registers itself."""
        import_module(f"{self.name}.receivers")
