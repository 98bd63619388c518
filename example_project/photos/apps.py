"""The app with the albums, the photos and their pages."""

from __future__ import annotations

from django.apps import AppConfig


class PhotosConfig(AppConfig):
    name = "example_project.photos"
    default_auto_field = "django.db.models.BigAutoField"
