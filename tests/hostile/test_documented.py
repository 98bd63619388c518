"""What the documentation says was tried is what these tests try."""

from __future__ import annotations

import re

from tests.following import subsection
from tests.hostile import test_properties
from tests.hostile.test_tokens import STEP
from tests.hostile.tokens import FAMILIES, oddities
from tests.processes import ROOT
from tests.test_docs import rows

TEXT = subsection(ROOT / "docs" / "security.md", "What was tried", "Tokens")


def figure(pattern: str) -> int:
    """The one number that stands in these words."""
    (found,) = re.findall(pattern, TEXT.replace("\n", " "))
    return int(found.replace(",", ""))


def test_the_table_has_every_family_with_its_number():
    """In the order of the code."""
    told = {name: int(number) for name, number, _ in rows(TEXT)[1:]}

    assert list(told.items()) == [(name, len(list(make()))) for name, make in FAMILIES.items()]


def test_the_figures_of_the_text_are_those_of_the_code():
    """All tokens, the odd ones, those under ASGI, and the generated ones."""
    properties = [name for name, value in vars(test_properties).items() if hasattr(value, "hypothesis")]

    assert figure(r"For all ([\d,]+) of them") == sum(len(list(make())) for make in FAMILIES.values())
    assert figure(r"Another (\d+) tokens") == len(list(oddities()))
    assert figure(r"every (\d+)th token") == STEP
    assert figure(r"with (\d+) generated inputs") == test_properties.EXAMPLES
    assert len(properties) == 6
    assert "Six properties" in TEXT
