"""Tells users on the next page that they have signed in or out."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.dispatch import receiver
from django.http import HttpRequest

from example_project.signin.personas import PERSONAS


@receiver(user_logged_in)
def welcome(*, request: HttpRequest, user: Any, **kwargs: Any) -> None:
    """Say who the user is now."""
    persona = next((persona for persona in PERSONAS if user.get_username().endswith(f"|{persona.sub}")), None)
    messages.success(request, f"You are {persona.name} now, the {persona.role}." if persona else "You are signed in.")


@receiver(user_logged_out)
def farewell(*, request: HttpRequest, **kwargs: Any) -> None:
    """Say that the user is nobody now."""
    messages.success(request, "You are signed out.")
