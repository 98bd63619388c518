"""Models with every kind of field that an entity may read."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, date, datetime

from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.postgres.fields import ArrayField
from django.db import models


class Account(models.Model):
    """The top of the hierarchy."""

    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=612, unique=True)


class VisibleAlbums(models.Manager["Album"]):
    """A default manager that hides rows, as many projects have one."""

    def get_queryset(self) -> models.QuerySet[Album]:
        return super().get_queryset().exclude(title="hidden")


class Album(models.Model):
    """A tree of albums."""

    title = models.CharField(max_length=100)
    account = models.ForeignKey(Account, models.CASCADE, null=True)
    parent = models.ForeignKey("self", models.CASCADE, null=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True)
    is_public = models.BooleanField(default=False)
    archived = models.BooleanField(default=False)

    objects = VisibleAlbums()


class Tag(models.Model):
    """A word on photos."""

    name = models.CharField(max_length=100, null=True)


class Photo(models.Model):
    """The resource of most checks."""

    title = models.CharField(max_length=100, null=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="photos")
    album = models.ForeignKey(Album, models.CASCADE, null=True)
    tags = models.ManyToManyField(Tag)
    viewers = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="seen")
    is_public = models.BooleanField(default=False)
    size = models.DecimalField(max_digits=30, decimal_places=10, null=True)
    likes = models.BigIntegerField(default=0)
    taken = models.DateTimeField(null=True)
    day = models.DateField(null=True)
    exposure = models.DurationField(null=True)
    address = models.GenericIPAddressField(null=True)
    meta = models.JSONField(null=True)
    file = models.FileField(null=True)


class Comment(models.Model):
    """A reverse relation of photos."""

    photo = models.ForeignKey(Photo, models.CASCADE, related_name="comments")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)


class Note(models.Model):
    """Registered nowhere."""

    text = models.TextField()


# Shapes of models that only the tests of entities use; they are registered in registries of their own.


class Folder(models.Model):
    """Many parents, each with many."""

    name = models.CharField(max_length=100)
    parents = models.ManyToManyField("self", symmetrical=False, related_name="children")


class Document(models.Model):
    """A key that Python makes, and relations of every other kind."""

    class Kind(models.TextChoices):
        """Choices that are an enumeration."""

        DRAFT = "draft"
        FINAL = "final"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.DRAFT)
    account = models.ForeignKey(Account, models.CASCADE, null=True, to_field="slug")
    folder = models.OneToOneField(Folder, models.CASCADE, null=True)
    folders = models.ManyToManyField(Folder, related_name="documents")
    score = models.FloatField(default=0)
    content = models.BinaryField(default=b"")
    remarks = GenericRelation("Remark")


class Report(Document):
    """A child with a table of its own."""

    pages = models.IntegerField(default=1)


class Draft(Document):
    """A proxy."""

    class Meta:
        proxy = True


class Badge(models.Model):
    """Its key is the row that it belongs to."""

    document = models.OneToOneField(Document, models.CASCADE, primary_key=True)
    color = models.CharField(max_length=10)


class Remark(models.Model):
    """Belongs to a row of any model."""

    text = models.CharField(max_length=100)
    object_id = models.UUIDField()
    content_type = models.ForeignKey("contenttypes.ContentType", models.CASCADE)
    content_object = GenericForeignKey()


class Cell(models.Model):
    """A key of two columns."""

    pk = models.CompositePrimaryKey("row", "column")
    row = models.IntegerField()
    column = models.IntegerField()


class Place(models.Model):
    """A key that the database compares without case."""

    code = models.CharField(max_length=10, primary_key=True, db_collation=settings.CASE_BLIND_COLLATION)


class Shop(models.Model):
    """A tree, named by texts that the database compares without case."""

    code = models.CharField(max_length=10, unique=True, db_collation=settings.CASE_BLIND_COLLATION)
    parent = models.ForeignKey("self", models.CASCADE, null=True, to_field="code")
    rooms = models.ManyToManyField("Room")
    is_open = models.BooleanField(default=True)


class Stall(models.Model):
    """Its key is a place, which it names in a text of its own."""

    place = models.OneToOneField(Place, models.CASCADE, primary_key=True)
    is_open = models.BooleanField(default=True)


class Sale(models.Model):
    """Names shops, places and stalls in texts of its own."""

    shop = models.ForeignKey(Shop, models.CASCADE, null=True, to_field="code")
    places = models.ManyToManyField(Place)
    stall = models.ForeignKey(Stall, models.CASCADE, null=True)
    stalls = models.ManyToManyField(Stall, related_name="+")


class Lease(models.Model):
    """Of a shelf, which it always has and which may be gone, and of a box."""

    shelf = models.ForeignKey("Shelf", models.DO_NOTHING, db_constraint=False, related_name="+")
    box = models.ForeignKey("Box", models.CASCADE, null=True)


class Tenant(models.Model):
    """Has leases."""

    leases = models.ManyToManyField(Lease)


class Seat(models.Model):
    """A key of two columns, and a name that others know it by."""

    pk = models.CompositePrimaryKey("row", "number")
    row = models.IntegerField()
    number = models.IntegerField()
    code = models.CharField(max_length=10, unique=True)
    is_free = models.BooleanField(default=True)


class Ticket(models.Model):
    """For a seat, and perhaps for one that is gone."""

    seat = models.ForeignKey(Seat, models.CASCADE, null=True, to_field="code")
    former = models.ForeignKey(
        Seat, models.DO_NOTHING, null=True, to_field="code", db_constraint=False, related_name="+"
    )


class Label(models.Model):
    """An abstract model."""

    text = models.CharField(max_length=10)

    class Meta:
        abstract = True


# What lists are filtered by: every kind of column that policies may read, all of them nullable.


class Room(models.Model):
    """The top of a hierarchy; its entities are named by a text."""

    slug = models.CharField(max_length=100, unique=True)


class Shelf(models.Model):
    """A tree in rooms."""

    name = models.CharField(max_length=100, null=True)
    parent = models.ForeignKey("self", models.CASCADE, null=True)
    room = models.ForeignKey(Room, models.CASCADE, null=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="shelves")
    public = models.BooleanField(null=True)
    level = models.IntegerField(default=0)


class Box(models.Model):
    """One of several parents."""

    room = models.ForeignKey(Room, models.CASCADE, null=True)
    sealed = models.BooleanField(default=False)


class Reversed(models.CharField):
    """Is not in the database what it is in Python."""

    def from_db_value(self, value, expression, connection):
        return value and value[::-1]


class Item(models.Model):
    """A row of a list."""

    odd = Reversed(max_length=10, null=True)

    name = models.CharField(max_length=100, null=True)
    memo = models.TextField(default="")
    flag = models.BooleanField(null=True)
    count = models.BigIntegerField(null=True)
    small = models.IntegerField(default=0)
    price = models.DecimalField(max_digits=12, decimal_places=4, null=True)
    at = models.DateTimeField(null=True)
    day = models.DateField(null=True)
    span = models.DurationField(null=True)
    key = models.UUIDField(null=True)
    address = models.GenericIPAddressField(null=True)
    meta = models.JSONField(null=True)
    shelf = models.ForeignKey(Shelf, models.CASCADE, null=True)
    loose = models.ForeignKey(Shelf, models.DO_NOTHING, null=True, db_constraint=False, related_name="+")
    boxes = models.ManyToManyField(Box)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="items")
    keeper = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="kept")
    tags = models.ManyToManyField(Tag)
    readers = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="read")
    if settings.DATABASE == "postgresql":
        words = ArrayField(models.CharField(max_length=20, null=True), null=True)
        numbers = ArrayField(models.BigIntegerField(), default=list)


class Exotic(models.Model):
    """Fields that only PostgreSQL has; there is no such table."""

    words = ArrayField(models.CharField(max_length=20), null=True)
    numbers = ArrayField(models.IntegerField())

    class Meta:
        managed = False


class CharUUID(models.UUIDField):
    """As Django's release notes advise for columns that were made before MariaDB had a type for them."""

    def db_type(self, connection):
        return "char(32)"

    def get_db_prep_value(self, value, connection, prepared=False):
        value = super().get_db_prep_value(value, connection, prepared)
        return value.hex if isinstance(value, uuid.UUID) else value


class Moment(models.DateTimeField):
    """Takes an argument of its own."""

    def __init__(self, zone, **options):
        self.zone = zone
        super().__init__(**options)

    def deconstruct(self):
        name, path, arguments, options = super().deconstruct()
        return name, path, [self.zone, *arguments], options


class Lower(models.EmailField):
    """Reads what was written before it in another case."""

    def to_python(self, value):
        return value and super().to_python(value).lower()


class Days(json.JSONDecoder):
    """Makes dates of texts."""

    def __init__(self, **options):
        super().__init__(
            object_hook=lambda found: {key: date.fromisoformat(day) for key, day in found.items()}, **options
        )


class Odd(models.Model):
    """Fields of a project's own, and one that the database works out."""

    code = CharUUID(default=uuid.uuid4)
    key = models.UUIDField(default=uuid.uuid4)
    at = Moment("UTC", default=datetime(2024, 1, 1, tzinfo=UTC))
    mail = Lower(default="a@b.c")
    days = models.JSONField(default=dict, decoder=Days)
    number = models.IntegerField(default=1)
    twice = models.GeneratedField(
        expression=models.F("number") * 2, output_field=models.IntegerField(), db_persist=True
    )


class Wide(models.Model):
    """Numbers that not every database holds exactly."""

    fine = models.DecimalField(max_digits=12, decimal_places=8)
    long = models.DecimalField(max_digits=18, decimal_places=4)
    huge = models.PositiveBigIntegerField(default=0)
    name = models.CharField(max_length=700, unique=True, default=uuid.uuid4)
    serial = models.DecimalField(max_digits=9, decimal_places=2, unique=True, default=0)


class Mark(models.Model):
    """A reverse relation."""

    item = models.ForeignKey(Item, models.CASCADE, related_name="marks")
    score = models.IntegerField(null=True)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True)
