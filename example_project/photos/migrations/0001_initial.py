"""The first tables."""

from __future__ import annotations

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Account",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=80)),
                ("slug", models.SlugField(unique=True)),
            ],
        ),
        migrations.CreateModel(
            name="Tag",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.SlugField(unique=True)),
            ],
            options={
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="Album",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("title", models.CharField(max_length=80)),
                ("slug", models.SlugField(unique=True)),
                ("is_public", models.BooleanField(default=False, verbose_name="every viewer may see it")),
                ("archived", models.BooleanField(default=False, verbose_name="nothing in it may change")),
                (
                    "cover",
                    models.CharField(
                        choices=[
                            ("coral", "Coral"),
                            ("indigo", "Indigo"),
                            ("graphite", "Graphite"),
                            ("sand", "Sand"),
                            ("teal", "Teal"),
                            ("rose", "Rose"),
                        ],
                        default="coral",
                        max_length=10,
                        verbose_name="cover colour",
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="albums", to="photos.account"
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="albums", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "ordering": ("pk",),
            },
        ),
        migrations.CreateModel(
            name="Photo",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("title", models.CharField(max_length=80)),
                (
                    "is_public",
                    models.BooleanField(default=False, help_text="Every viewer may see it.", verbose_name="public"),
                ),
                ("created", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "motif",
                    models.CharField(
                        choices=[
                            ("mountains", "Mountains"),
                            ("sea", "Sea"),
                            ("forest", "Forest"),
                            ("city", "City"),
                            ("desert", "Desert"),
                            ("aurora", "Aurora"),
                            ("balloons", "Balloons"),
                            ("meadow", "Meadow"),
                            ("geometry", "Geometry"),
                        ],
                        max_length=10,
                    ),
                ),
                ("seed", models.PositiveIntegerField()),
                (
                    "album",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="photos", to="photos.album"
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="photos", to=settings.AUTH_USER_MODEL
                    ),
                ),
                ("tags", models.ManyToManyField(blank=True, related_name="photos", to="photos.tag")),
            ],
            options={
                "ordering": ("-created", "-pk"),
            },
        ),
    ]
