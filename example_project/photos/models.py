"""Accounts, their albums, and the photos in them."""

from __future__ import annotations

from urllib.parse import quote

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe

from example_project.photos.drawing import draw


class Account(models.Model):
    """A customer of the site; the top of the hierarchy account > album > photo."""

    name = models.CharField(max_length=80)
    slug = models.SlugField(unique=True)

    def __str__(self) -> str:
        return self.name


class Tag(models.Model):
    """A word that says what is on a photo; the tag ``press`` also opens it (see the policies)."""

    name = models.SlugField(unique=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Album(models.Model):
    """Photos that belong together. Its owner rules all of them, whoever took them."""

    class Cover(models.TextChoices):
        CORAL = "coral"
        INDIGO = "indigo"
        GRAPHITE = "graphite"
        SAND = "sand"
        TEAL = "teal"
        ROSE = "rose"

    title = models.CharField(max_length=80)
    slug = models.SlugField(unique=True)
    account = models.ForeignKey(Account, models.CASCADE, related_name="albums")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="albums")
    is_public = models.BooleanField("every viewer may see it", default=False)
    archived = models.BooleanField("nothing in it may change", default=False)
    cover = models.CharField("cover colour", max_length=10, choices=Cover.choices, default=Cover.CORAL)

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("photos:album", args=[self.slug])


class Photo(models.Model):
    """A picture that is drawn from ``motif`` and ``seed``: no file is stored, so none can carry a script."""

    class Motif(models.TextChoices):
        MOUNTAINS = "mountains"
        SEA = "sea"
        FOREST = "forest"
        CITY = "city"
        DESERT = "desert"
        AURORA = "aurora"
        BALLOONS = "balloons"
        MEADOW = "meadow"
        GEOMETRY = "geometry"

    title = models.CharField(max_length=80)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="photos")
    album = models.ForeignKey(Album, models.CASCADE, related_name="photos")
    is_public = models.BooleanField("public", default=False, help_text="Every viewer may see it.")
    tags = models.ManyToManyField(Tag, blank=True, related_name="photos")
    created = models.DateTimeField(default=timezone.now)
    motif = models.CharField(max_length=10, choices=Motif.choices)
    seed = models.PositiveIntegerField()

    class Meta:
        ordering = ("-created", "-pk")

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("photos:detail", args=[self.pk])

    @property
    def image(self) -> str:
        """The picture as an SVG document."""
        return draw(self.motif, self.seed)

    @property
    def image_uri(self) -> SafeString:
        """The picture for ``src``: a page that has decided about 30 photos need not ask again for each image."""
        return data_uri(self.image)


def data_uri(svg: str) -> SafeString:
    """Write one of our drawings as a ``data:`` URI for a double-quoted attribute."""
    uri = "data:image/svg+xml," + quote(svg.replace('"', "'"), safe=" '=/:,;()")
    return mark_safe(uri)  # noqa: S308 - percent-encoded: neither `"` nor `<` nor `&` is left in it
