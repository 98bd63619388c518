"""Who still asks a service that does not answer."""

from __future__ import annotations

from django_avp.engines.breaker import Breaker


def test_so_many_failures_in_a_row_open_it_and_no_fewer():
    """A call that succeeds begins the count anew; while it is open nobody asks."""
    breaker = Breaker(pause=60)
    for _ in range(4):
        breaker.record(is_failure=True)
    breaker.record(is_failure=False)
    for _ in range(5):
        assert breaker.admits()
        breaker.record(is_failure=True)
    assert not breaker.admits()
    breaker.record(is_failure=False)
    assert breaker.admits()


def test_one_alone_tries_it_after_a_pause():
    """The others wait for another pause, whatever becomes of that one."""
    breaker = Breaker(failures=1, pause=0)
    breaker.record(is_failure=True)
    assert breaker.admits()
    breaker._pause = 60
    assert breaker.admits()
    assert not breaker.admits()
