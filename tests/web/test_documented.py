"""What the documentation says was tried is what these tests try."""

from __future__ import annotations

import re

from tests.following import subsection
from tests.processes import ROOT
from tests.web import cached, test_caching, test_csrf, test_errors, test_redirects
from tests.web.urls import METHODS

TEXT = subsection(ROOT / "docs" / "security.md", "What was tried", "Browsers and caches").replace("\n", " ")


def figures(pattern: str) -> tuple[int, ...]:
    """The numbers that stand in these words."""
    (found,) = re.findall(pattern, TEXT)
    return tuple(int(number) for number in ([found] if isinstance(found, str) else found))


def test_the_figures_of_the_text_are_those_of_the_code():
    """Of each table that the tests go through."""
    said = figures(r"(\d+) ways to carry a token .* (\d+) kinds of views .* (\d+) methods, (\d+) states")
    assert said == (len(test_csrf.CARRIERS), len(test_csrf.VIEWS), len(METHODS), len(test_csrf.STATES))
    assert figures(r"(\d+) spellings of another site") == (len(set(test_redirects.ADDRESSES)),)
    assert figures(r"(\d+) headers that name another") == (len(test_redirects.HOSTS),)
    assert figures(r"(\d+) pages of one user") == (len(cached.PAGES),)
    assert figures(r"(\d+) layers fail on purpose") == (len(test_errors.LAYERS) + len(test_errors.SIGN_INS),)
    assert len(test_caching.ORDERS) == 10
    assert "with ten orders" in TEXT
    assert test_errors.LENGTH == 16
    assert "No sixteen characters" in TEXT
