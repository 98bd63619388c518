"""Values that are sealed: read as they were, by whoever has the secret, and by nobody else or otherwise."""

from __future__ import annotations

import pytest
from django.core.signing import BadSignature
from hypothesis import given
from hypothesis import strategies as st

from django_avp.engines.sealing import Seal

VALUES = [["key", 1.5, ["permitted", ["PSPOLICYabcdefg111111"], []]], "x" * 1_999, "é" * 5_000, {"a": None}, 7]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_f2_what_is_sealed_is_read_as_it_was(value):
    """Whatever JSON it is, short or long; another process of the site reads it."""
    assert Seal("salt").opened(Seal("salt").sealed(value)) == value
    assert Seal("salt").opened(Seal("salt").sealed([value, "long" * 1_000])) == [value, "long" * 1_000]


def test_long_values_are_compressed():
    """A policy store is one."""
    assert len(Seal("salt").sealed("x" * 100_000)) < 1_000


@pytest.mark.parametrize("value", VALUES, ids=lambda value: str(value)[:20])
def test_f2_what_is_changed_anywhere_is_refused(value):
    """A character that is another one, is missing or is there twice."""
    sealed = Seal("salt").sealed(value)
    for position in range(0, len(sealed), max(len(sealed) // 150, 1)):
        before, character, after = sealed[:position], sealed[position], sealed[position + 1 :]
        for changed in (before + chr(ord(character) ^ 1) + after, before + after, before + 2 * character + after):
            if changed != sealed:
                with pytest.raises(BadSignature):
                    Seal("salt").opened(changed)


@pytest.mark.parametrize("text", ["", ":", "x", ":{}", "é:{}", "\ud800:{}", '"x"'])
def test_f2_what_was_never_sealed_is_refused(text):
    """As an error that whoever reads it expects."""
    with pytest.raises((BadSignature, ValueError)):
        Seal("salt").opened(text)


def test_f2_secrets_and_purposes_are_told_apart(settings):
    """The secret and its fallbacks read; another one does not, nor what was sealed for something else."""
    sealed = Seal("salt").sealed("x")
    with pytest.raises(BadSignature):
        Seal("another").opened(sealed)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another"
    assert Seal("salt").opened(sealed) == "x"
    assert Seal("salt").sealed("x") != sealed
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(BadSignature):
        Seal("salt").opened(sealed)
