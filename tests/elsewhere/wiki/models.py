"""Documents of the wiki, and a tree that a project may swap."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models


class Titled(models.Model):
    """What has a title, and no table."""

    title = models.CharField(max_length=100)

    class Meta:
        abstract = True


class Node(Titled):
    """A tree, which is swapped for another model."""

    parent = models.ForeignKey("self", models.CASCADE, null=True)

    class Meta:
        swappable = "WIKI_NODE_MODEL"


class Document(Titled):
    """A page of the wiki."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="pages")
    node = models.ForeignKey(settings.WIKI_NODE_MODEL, models.CASCADE, null=True, related_name="pages")
    readers = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="+")


class Draft(Document):
    """The same rows by another name."""

    class Meta:
        proxy = True
