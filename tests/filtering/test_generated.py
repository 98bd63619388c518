"""The rule of lists, on policies that nobody wrote: a row is in the list if and only if ``can`` says yes for it.

``FUZZ`` sets how many chunks of 125 policy sets are tried, and ``FUZZ_SEED`` where they begin.
"""

from __future__ import annotations

import os
from collections import Counter
from random import Random

import pytest
from django.test import override_settings

from django_avp.authorization import Authorization
from django_avp.exceptions import UntranslatablePolicyError
from django_avp.identity import Identity
from django_avp.runtime import runtime
from tests.conftest import POOL
from tests.filtering.conftest import Fixed, registered
from tests.filtering.generated import Case
from tests.filtering.rows import fill
from tests.testapp.models import Item

CHUNKS = int(os.environ.get("FUZZ", "2"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))


@pytest.mark.django_db
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_a_row_is_listed_if_and_only_if_it_can(chunk, caplog):
    """100 sets of policies over 50 rows: the list, and what is not in it, are what single checks say."""
    caplog.set_level("CRITICAL")
    kinds = tried(Random(SEED * 100_000 + chunk), 100)  # noqa: S311 - draws tests
    assert kinds["refused"] < 20
    assert kinds["some"] > 5


@pytest.mark.django_db
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_a_list_that_is_checked_row_by_row_is_no_other(chunk, caplog):
    """25 sets of policies that often ask for what no database knows, so that some rows are checked and others not."""
    caplog.set_level("CRITICAL")
    kinds = tried(Random(SEED * 100_000 + 50_000 + chunk), 25, has_hidden=True)  # noqa: S311 - draws tests
    assert kinds["refused"]


def tried(random, count, **options):
    """Compare lists with checks for so many sets of policies; how many lists of which kind there were."""
    fill(random, 50)
    kinds = Counter()
    for number in range(count):
        case = Case(random, **options)
        mode = random.choice(["ignore", "ignore", "ignore", "forbids", "any"])
        with registered(case.definitions), override_settings(AVP_ON_POLICY_ERROR=mode):
            kinds[agrees(case, f"set {number}, {mode}")] += 1
    return kinds


def agrees(case, name):
    """Compare the lists with the checks, for every principal of a case; what kind of list the last one has."""
    policies = case.policies()
    with override_settings(AVP_USER_MODE="token"), runtime.use_engine(Fixed(policies)):
        for sub, groups in case.principals:
            claims = {"sub": sub, "cognito:groups": groups, "email": "a", "level": 2}
            authorization = Authorization(Identity.from_claims(claims, pool=POOL), context=case.context)
            rows = Item.objects.select_related("owner").order_by("pk")
            authorization.collect("View", rows)
            expected = [row.pk for row in rows if authorization.can("View", row)]
            text = "\n".join(
                [name, sub, str(groups), str(case.context), *case.texts, str(policies.schema and case.schema)]
            )
            try:
                listed = authorization.permitted("View", rows)
                found = [row.pk for row in listed]
                # What is asked of all rows is made and compiled once: for a subquery, and twice for itself.
                plain = authorization.permitted("View", Item.objects.all())
                others = {row.pk for row in Item.objects.exclude(pk__in=plain.values("pk"))}
                again = [[row.pk for row in plain.order_by("pk")] for _ in range(2)]
            except UntranslatablePolicyError:
                # Then what is permitted in any case is listed, and what may be is checked one by one.
                checked = authorization.permitted("View", rows, on_untranslatable="check")
                assert [row.pk for row in checked] == expected, text
                return "refused"
            assert [found, *again] == [expected] * 3, text
            assert others == {row.pk for row in rows} - set(expected), text
    return "none" if not found else "all" if not others else "some"
