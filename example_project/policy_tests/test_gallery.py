"""Who may open the gallery, as a table in Python: of use where cases are computed."""

from __future__ import annotations

import pytest

from django_avp.testing import PolicyTable
from example_project.signin.personas import PERSONAS, Persona


@pytest.mark.parametrize("persona", PERSONAS, ids=lambda persona: persona.slug)
def test_whoever_is_signed_in_opens_the_gallery(persona: Persona) -> None:
    """Which photos they find there is decided photo by photo."""
    table = PolicyTable({persona.slug: {"sub": persona.sub, "groups": persona.groups}})
    table.check(persona.slug, "ListPhotos", None, "allow", policies=["members-may-enter"])
