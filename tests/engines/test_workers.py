"""Threads that run what may never come back."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from django_avp.engines import workers as module
from django_avp.engines.workers import Workers
from tests.soak import runs

PATIENCE = 30


@pytest.fixture
def released():
    """Ends what hangs, at the latest with the test."""
    event = Event()
    yield event
    event.set()


def hang(event):
    """An operation that ends with an event."""
    return lambda job: event.wait(PATIENCE)


def until(holds):
    """Wait for what a thread does."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def begun(job):
    """Wait until a thread is at a job."""
    until(lambda: job._begun is not None)
    return job


def alive(name):
    return [thread for thread in threading.enumerate() if thread.name == name]


def fail(job):
    raise KeyError("x")


def test_what_is_done_is_returned_or_raised():
    """By the one thread that there is need for."""
    workers = Workers("test-returned", 4)
    for number in range(20):
        assert workers.submit(lambda job, number=number: number).result(PATIENCE) == number
        assert asyncio.run(workers.submit(lambda job, number=number: number).aresult(PATIENCE)) == number
    with pytest.raises(KeyError):
        workers.submit(fail).result(None)
    with pytest.raises(KeyError):
        asyncio.run(workers.submit(fail).aresult(None))
    # A thread that is on its way to the line counts as busy, so it may be two or three.
    assert 1 <= len(alive("test-returned")) <= 4


def test_a_thread_that_is_free_is_enough():
    """No other one is started for a job while it waits for one."""
    workers = Workers("test-enough", 4)
    for number in range(20):
        assert workers.submit(lambda job, number=number: number).result(PATIENCE) == number
        until(lambda: workers._line._free == 1)
    assert len(alive("test-enough")) == 1


def test_as_many_as_there_are_threads_run_at_once():
    """And no more."""
    workers, meeting = Workers("test-at-once", 3), threading.Barrier(3)
    jobs = [workers.submit(lambda job: meeting.wait(PATIENCE)) for _ in range(9)]
    assert sorted(job.result(PATIENCE) for job in jobs) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert len(alive("test-at-once")) == 3


def test_a_thread_is_free_or_is_not():
    """However threads and those who ask came in each other's way before: no job stands behind one that hangs."""
    workers, askers, meeting = Workers("test-free", 100), 8, threading.Barrier(100)

    def ask(number):
        for _ in range(runs(500, 10_000)):
            assert workers.submit(lambda job: number).result(PATIENCE) == number

    with ThreadPoolExecutor(askers) as pool:
        list(pool.map(ask, range(askers)))
    # All of them run, or none gets past it.
    jobs = [workers.submit(lambda job: meeting.wait(PATIENCE)) for _ in range(100)]
    assert sorted(job.result(2 * PATIENCE) for job in jobs) == list(range(100))


@pytest.mark.parametrize("is_async", [False, True])
def test_a_wait_ends_and_another_thread_takes_over(released, is_async):
    """The one that hangs is written off, and ends with what it does."""
    workers = Workers(f"test-takes-over-{is_async}", 1)
    hung = workers.submit(hang(released))
    with pytest.raises(TimeoutError):
        asyncio.run(hung.aresult(0.05)) if is_async else hung.result(0.05)
    workers.give_up(hung)
    workers.give_up(hung)
    assert hung.is_lost
    assert workers.submit(lambda job: "next").result(PATIENCE) == "next"
    lost, _ = alive(f"test-takes-over-{is_async}")
    released.set()
    lost.join(PATIENCE)
    assert len(alive(f"test-takes-over-{is_async}")) == 1
    assert workers.submit(lambda job: "again").result(PATIENCE) == "again"
    # And there are no more of them than before.
    turn = Event()
    first = begun(workers.submit(hang(turn)))
    second = workers.submit(lambda job: "second")
    assert len(alive(f"test-takes-over-{is_async}")) == 1
    turn.set()
    assert (first.result(PATIENCE), second.result(PATIENCE)) == (True, "second")


@pytest.mark.parametrize("is_async", [False, True])
def test_the_time_counts_from_the_beginning(released, is_async):
    """Who stands in the line waits for its turn, and each part of a job has the whole time."""
    workers = Workers("test-line", 1)
    hung = begun(workers.submit(hang(released)))
    late = workers.submit(lambda job: "late")
    threading.Timer(0.8, released.set).start()
    assert (asyncio.run(late.aresult(0.5)) if is_async else late.result(0.5)) == "late"

    def in_parts(job):
        for _ in range(3):
            time.sleep(0.4)
            job.begin()
        return "parts"

    parts = begun(workers.submit(in_parts))
    assert (asyncio.run(parts.aresult(1)) if is_async else parts.result(1)) == "parts"
    assert hung.result(PATIENCE)


@pytest.mark.parametrize("is_async", [False, True])
def test_the_time_counts_from_a_beginning_that_comes_during_the_wait(released, monkeypatch, is_async):
    """Most jobs begin just after somebody has begun to wait, who has not the patience of a whole line for them."""
    monkeypatch.setattr(module, "_TURNS", 1_000)
    workers, turn = Workers("test-during", 1), Event()
    before = begun(workers.submit(hang(turn)))
    late = workers.submit(hang(released))
    threading.Timer(0.2, turn.set).start()
    # Who would wait for a thousand times half a second has what it waited for after 30.
    with pytest.raises(TimeoutError):
        asyncio.run(late.aresult(0.5)) if is_async else late.result(0.5)
    assert before.result(PATIENCE)
    assert late._begun is not None


def test_what_nobody_waits_for_any_more_is_not_run(released):
    """Else a cache that comes back would find all that was asked of it meanwhile."""
    workers, ran = Workers("test-not-run", 1), []
    hung = begun(workers.submit(hang(released)))
    given_up, cancelled = (workers.submit(lambda job: ran.append("late")) for _ in range(2))
    workers.give_up(given_up)

    async def leave():
        task = asyncio.create_task(cancelled.aresult(PATIENCE))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(leave())
    released.set()
    assert hung.result(PATIENCE)
    assert workers.submit(lambda job: "next").result(PATIENCE) == "next"
    assert ran == []


def test_what_is_done_after_all_costs_no_thread():
    """It may end just when nobody waits any longer."""
    workers = Workers("test-after-all", 1)
    job = workers.submit(lambda job: "done")
    assert job.result(PATIENCE) == "done"
    assert workers.submit(lambda job: "next").result(PATIENCE) == "next"
    workers.give_up(job)
    assert not job.is_lost
    assert len(alive("test-after-all")) == 1


def test_threads_that_are_written_off_are_bounded(released, monkeypatch):
    """What hangs beyond that keeps its place, and gives it back with what it does."""
    monkeypatch.setattr(module, "_MOST_LOST", 2)
    workers = Workers("test-bounded", 1)
    hung = []
    for _ in range(3):
        hung.append(begun(workers.submit(hang(released))))
        workers.give_up(hung[-1])
    assert [job.is_lost for job in hung] == [True, True, False]
    assert len(alive("test-bounded")) == 3
    waiting = workers.submit(lambda job: "next")
    released.set()
    assert waiting.result(PATIENCE) == "next"


def test_threads_end_with_their_workers(released):
    """Those that are free at once, and the others when they are done."""
    workers = Workers("test-end", 3)
    hung = begun(workers.submit(hang(released)))
    assert workers.submit(lambda job: threading.current_thread().daemon).result(PATIENCE)
    threads = alive("test-end")
    del workers
    gc.collect()
    released.set()
    assert hung.result(PATIENCE)
    for thread in threads:
        thread.join(PATIENCE)
    assert alive("test-end") == []


@pytest.mark.parametrize("is_async", [False, True])
def test_a_turn_that_does_not_come_is_not_waited_for(released, monkeypatch, is_async):
    """Where as many threads hang as may be, a wait has an end all the same, and what it was for is not run."""
    monkeypatch.setattr(module, "_MOST_LOST", 0)
    workers, ran = Workers("test-turn", 1), []
    hung = begun(workers.submit(hang(released)))
    workers.give_up(hung)
    waiting = workers.submit(lambda job: ran.append("late"))
    with pytest.raises(TimeoutError):
        asyncio.run(waiting.aresult(0.05)) if is_async else waiting.result(0.05)
    workers.give_up(waiting)
    released.set()
    assert workers.submit(lambda job: "next").result(PATIENCE) == "next"
    assert ran == []


@pytest.mark.parametrize("is_async", [False, True])
def test_where_there_are_no_more_threads_nothing_is_waited_for(released, is_async):
    """Neither for the first one nor for one in the place of another; there are some again, when there can be."""
    workers = Workers("test-none", 1)

    def refused():
        job = workers.submit(lambda job: "none")
        with pytest.raises(TimeoutError):
            asyncio.run(job.aresult(PATIENCE)) if is_async else job.result(PATIENCE)
        workers.give_up(job)

    before = threading.stack_size(1 << 46)  # none can have so large a stack
    try:
        refused()
    finally:
        threading.stack_size(before)
    hung = begun(workers.submit(hang(released)))
    threading.stack_size(1 << 46)
    try:
        workers.give_up(hung)
        refused()
    finally:
        threading.stack_size(before)
    assert workers.submit(lambda job: "next").result(PATIENCE) == "next"
