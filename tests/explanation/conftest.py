"""What the tests of explanations share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    """Places are told as seen from the working directory."""
    monkeypatch.chdir(Path(__file__).parents[2])
