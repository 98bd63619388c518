"""Two views with gates."""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import path
from django.views.generic import DetailView

from django_avp.decorators import action_required
from django_avp.mixins import ActionRequiredMixin
from tests.elsewhere.legal.models import Document as Contract
from tests.elsewhere.wiki.models import Draft


class Page(ActionRequiredMixin, DetailView):
    """A page, by the name of its proxy."""

    action_required = "Read"
    model = Draft

    def get(self, request, *args, **kwargs):
        return HttpResponse(self.get_object().title)


@action_required("Sign", resource=(Contract, "pk"))
def sign(request, pk):
    """Sign a contract."""
    return HttpResponse("signed")


urlpatterns = [path("pages/<uuid:pk>/", Page.as_view()), path("contracts/<int:pk>/sign/", sign)]
