"""The site of the benchmarks: the models and policies of the tests, and templates as in production."""

from __future__ import annotations

from tests.settings import *  # noqa: F403

AVP_USER_MODE = "token"
PAGES = {
    "base.html": "<html><body>{% block content %}{% endblock %}</body></html>",
    "page.html": '{% extends "base.html" %}{% block content %}{% if photos %}<ul>{% for photo in photos %}'
    '{% include "card.html" %}{% endfor %}</ul>{% else %}<p>Nothing.</p>{% endif %}{% endblock %}',
    "card.html": "<li><h2>{{ photo.title }}</h2><p>{{ photo.album.title }}, {{ photo.likes }} likes</p>"
    "<p>{% for tag in photo.tags.all %}<span>{{ tag.name }}</span>{% endfor %}</p>"
    '{% can "ViewPhoto" photo %}<a href="/{{ photo.pk }}/">Look</a>{% endcan %}'
    '{% can "EditPhoto" photo %}<a href="/{{ photo.pk }}/edit/">Edit</a>{% else %}View only{% endcan %}'
    '{% can "DeletePhoto" photo as may %}{% if may %}<a href="/{{ photo.pk }}/delete/">Delete</a>{% endif %}</li>',
}
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {
            "loaders": [
                ("django.template.loaders.cached.Loader", [("django.template.loaders.locmem.Loader", PAGES)]),
            ],
            "builtins": ["django_avp.templatetags.avp"],
            "context_processors": ["django.template.context_processors.request"],
        },
    }
]
