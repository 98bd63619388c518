"""What the documentation says was tried is what these tests try."""

from __future__ import annotations

import re

from django_avp.values import MAX_DEPTH
from tests.edges import test_answers, test_nesting
from tests.edges.ids import ids
from tests.edges.values import edges
from tests.following import subsection
from tests.processes import ROOT
from tests.test_docs import rows

TEXT = subsection(ROOT / "docs" / "security.md", "What was tried", "Cedar's edges")


def test_the_table_has_the_figures_of_the_code():
    """In the order of the text."""
    tables = (edges(), ids(), test_answers.ERRING, test_answers.QUESTIONS, test_nesting.CONDITIONS)
    assert [int(number) for _, number, _ in rows(TEXT)[1:]] == list(map(len, tables))
    assert f"in {len(test_answers.FORMS)} clauses" in TEXT
    assert re.search(rf"more than {MAX_DEPTH} levels", TEXT)
    assert "1,000 and 100,000 levels" in TEXT
    assert test_nesting.LEVELS == (1_000, 100_000)
