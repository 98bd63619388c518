"""Documents of the law, and the tree that they are in."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from tests.elsewhere.wiki.models import Titled


class Clause(Titled):
    """A tree in the place of the wiki's."""

    parent = models.ForeignKey("self", models.CASCADE, null=True)
    is_secret = models.BooleanField(default=False)


class Document(Titled):
    """A contract."""

    signers = models.ManyToManyField(settings.AUTH_USER_MODEL, through="Signature")
    clauses = models.ManyToManyField(Clause)


class Signature(models.Model):
    """Who signed what."""

    document = models.ForeignKey(Document, models.CASCADE)
    member = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    on = models.DateField()
