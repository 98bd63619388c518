"""What the documentation says was tried is what these tests try."""

from __future__ import annotations

import re

from tests.following import subsection
from tests.isolation.people import LEAVERS, USERS
from tests.isolation.test_users import FORMS, MOST_OF_OURS, VISITS
from tests.isolation.visitors import CONNECTIONS, LEAVING, TOGETHER
from tests.processes import ROOT

TEXT = subsection(ROOT / "docs" / "security.md", "What was tried", "Many users at once").replace("\n", " ")


def figure(pattern: str) -> int:
    """The one number that stands in these words."""
    (found,) = re.findall(pattern, TEXT)
    return int(found.replace(",", ""))


def test_the_figures_of_the_text_are_those_of_the_code():
    """Users, connections and requests."""
    assert figure(r"sends ([\d,]+) requests to each of the four servers") == VISITS
    assert len(FORMS) == 4
    assert VISITS * len(FORMS) == 50_000
    assert figure(r"(\d+) connections that stay open") == CONNECTIONS
    assert figure(r"up to (\d+) requests sent") == TOGETHER
    assert figure(r"(\d+) of the users are deactivated") == LEAVERS
    assert figure(r"not more than (\d+) objects of a class") == MOST_OF_OURS
    assert USERS == 50
    assert "Fifty users" in TEXT
    assert LEAVING == 0.02
    assert "Two of a hundred times" in TEXT
