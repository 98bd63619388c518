"""The forms that upload and edit a photo."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator

from example_project.photos.models import Photo

# Smaller seeds belong to the photos of `manage.py seed_demo`.
FIRST_SEED, LAST_SEED = 1_000, 999_999


class PhotoForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's classes take no argument at run time
    """What may be changed later. Album and owner are not in it: they decide who may do what."""

    class Meta:
        model = Photo
        fields: tuple[str, ...] = ("title", "is_public", "tags")
        widgets: dict[str, type[forms.Widget]] = {"tags": forms.CheckboxSelectMultiple}


class UploadForm(PhotoForm):
    """A new photo. PhotoFlash draws its pictures itself, so a motif is chosen instead of a file."""

    class Meta(PhotoForm.Meta):
        fields = ("motif", "seed", "title", "is_public", "tags")
        widgets = {**PhotoForm.Meta.widgets, "motif": forms.RadioSelect, "seed": forms.HiddenInput}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["seed"].validators += [MinValueValidator(FIRST_SEED), MaxValueValidator(LAST_SEED)]
        motif = self.fields["motif"]
        if isinstance(motif, forms.ChoiceField):
            motif.choices = Photo.Motif.choices
