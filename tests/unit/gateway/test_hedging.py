"""A second call for what a worker does not answer. Which call waits for what is the test's to say."""

import asyncio
from dataclasses import replace

import pytest
from fake_worker import until
from prometheus_client import CollectorRegistry

from attendant.errors import AttendantError, Reason, backend_unavailable, version_not_found
from attendant.wire.envelope import Operation, Reply, Row
from services.gateway.backends import hedging
from services.gateway.backends.hedging import BLOCK, BLOCKS, SAVED, HedgingBackend
from services.gateway.metrics import Metrics

ROW = Row(Operation.PREDICT, b"request", "sarcasm", "1", 5.0)
FIRST, SECOND = Reply(response=b"first"), Reply(response=b"second")


class Scripted:
    """A backend that answers each call by the next of the given steps: a reply, an error, or an event to wait for."""

    def __init__(self) -> None:
        self.steps = []
        self.rows: list[Row] = []
        self.timeouts: list[float] = []
        self.cancelled: list[int] = []

    async def start(self): ...

    async def close(self): ...

    async def ready(self, archive):
        return True

    async def call(self, archive, row, timeout):  # noqa: ASYNC109
        number = len(self.rows)
        self.rows.append(row)
        self.timeouts.append(timeout)
        steps = self.steps.pop(0) if self.steps else (FIRST,)
        try:
            for step in steps:
                if isinstance(step, asyncio.Event):
                    await step.wait()
        except asyncio.CancelledError:
            self.cancelled.append(number)
            raise
        if isinstance(steps[-1], Exception):
            raise steps[-1]
        return steps[-1]


class Hedged:
    def __init__(self) -> None:
        self.backend = Scripted()
        self.metrics = Metrics(CollectorRegistry())
        self.hedging = HedgingBackend(self.backend, {"sarcasm"}, self.metrics)

    async def call(self, *steps, archive="sarcasm", row=ROW, timeout=5.0):  # noqa: ASYNC109
        """Each of `steps` is what one call of the backend does."""
        self.backend.rows.clear()
        self.backend.steps = list(steps)
        return await self.hedging.call(archive, row, timeout)

    async def learn(self, calls=100, row=ROW):
        """Calls that are answered at once; 100 of them earn two hedges."""
        for _ in range(calls):
            await self.call((FIRST,), row=row)

    def outcomes(self) -> dict[str, float]:
        (family,) = self.metrics.hedges.collect()
        return {
            sample.labels["outcome"]: sample.value
            for sample in family.samples
            if sample.name.endswith("_total")
        }


@pytest.fixture
def never():
    return asyncio.Event()


@pytest.fixture
async def hedged():
    hedged = Hedged()
    await hedged.learn()
    return hedged


async def test_a_stalled_call_is_made_again_and_given_up(hedged, never):
    assert await hedged.call((never, FIRST), (SECOND,)) == SECOND
    assert hedged.backend.cancelled == [0]
    assert hedged.outcomes() == {"won": 1}


async def test_the_second_call_has_what_is_left_of_the_time(hedged, never):
    await hedged.call((never, FIRST), (SECOND,))
    first, second = hedged.backend.rows
    assert first == ROW
    assert replace(second, budget=ROW.budget) == ROW
    assert 4 < second.budget <= 4.96  # at least 40 ms were waited
    assert hedged.backend.timeouts[-1] == second.budget


async def test_where_the_first_answers_after_all_the_second_is_given_up(hedged, never):
    both = asyncio.Event()

    class Begun(asyncio.Event):
        async def wait(self):
            both.set()
            return await super().wait()

    assert await hedged.call((both, FIRST), (Begun(), SECOND)) == FIRST
    assert hedged.backend.cancelled == [1]
    assert hedged.outcomes() == {"lost": 1}


async def test_what_is_answered_in_time_is_asked_once(hedged):
    assert await hedged.call((FIRST,)) == FIRST
    assert len(hedged.backend.rows) == 1
    assert hedged.outcomes() == {}


async def test_what_fails_is_not_asked_again(hedged):
    with pytest.raises(AttendantError):
        await hedged.call((backend_unavailable("down"),))
    assert len(hedged.backend.rows) == 1


async def test_where_both_stall_the_elder_makes_room_for_a_third(hedged, never):
    assert await hedged.call((never, FIRST), (never, FIRST), (SECOND,)) == SECOND
    assert hedged.backend.cancelled == [0, 1]
    assert hedged.outcomes() == {"won": 1, "lost": 1}


async def test_a_second_call_that_fails_leaves_the_first(hedged):
    failed = asyncio.Event()

    class Failing(asyncio.Event):
        async def wait(self):
            failed.set()
            return True

    assert await hedged.call((failed, FIRST), (Failing(), backend_unavailable("down"))) == FIRST
    assert hedged.outcomes() == {"lost": 1}


async def test_a_worker_that_lacks_the_version_does_not_beat_the_other(hedged):
    asked = asyncio.Event()

    class Asked(asyncio.Event):
        async def wait(self):
            asyncio.get_running_loop().call_later(0.01, asked.set)
            return True

    old = Reply(failure=version_not_found("sarcasm", "2", ("1",)))
    assert await hedged.call((asked, FIRST), (Asked(), old)) == FIRST
    assert hedged.outcomes() == {"lost": 1}
    assert await hedged.call((old,)) == old  # nobody else was asked


async def test_where_both_fail_the_first_failure_counts(hedged):
    failed = asyncio.Event()

    class Failing(asyncio.Event):
        async def wait(self):
            failed.set()
            return True

    with pytest.raises(AttendantError, match="one") as caught:
        await hedged.call((failed, backend_unavailable("one")), (Failing(), backend_unavailable("two")))
    assert caught.value.reason is Reason.BACKEND_UNAVAILABLE
    assert hedged.outcomes() == {"failed": 1}


async def test_a_caller_that_leaves_takes_both_along(hedged, never):
    call = asyncio.create_task(hedged.call((never, FIRST), (never, SECOND)))
    await until(lambda: len(hedged.backend.rows) == 2)
    call.cancel()
    await asyncio.wait({call})
    assert call.cancelled()
    assert sorted(hedged.backend.cancelled) == [0, 1]
    assert hedged.outcomes() == {"cancelled": 1}


@pytest.mark.parametrize(
    ("archive", "row"),
    [("sarcasm_slow", replace(ROW, operation=Operation.EXPLAIN)), ("sarcasm", Row(Operation.DESCRIBE))],
    ids=["slow lane", "describe"],
)
async def test_what_is_not_hedged(hedged, archive, row):
    gate = asyncio.Event()
    asyncio.get_running_loop().call_later(0.1, gate.set)
    await hedged.call((gate, FIRST), (SECOND,), archive=archive, row=row)
    assert len(hedged.backend.rows) == 1


async def test_without_time_for_it_there_is_no_second_call(hedged, monkeypatch):
    monkeypatch.setattr(hedging, "SHORTEST_WAIT", 0.2)
    gate = asyncio.Event()
    asyncio.get_running_loop().call_later(0.25, gate.set)
    await hedged.call((gate, FIRST), (SECOND,), timeout=0.2)
    assert len(hedged.backend.rows) == 1


async def test_nothing_is_hedged_before_it_is_known_what_is_usual(never):
    fresh = Hedged()
    await fresh.learn(BLOCK - 1)
    gate = asyncio.Event()
    asyncio.get_running_loop().call_later(0.1, gate.set)
    assert await fresh.call((gate, FIRST), (SECOND,)) == FIRST
    assert len(fresh.backend.rows) == 1


async def test_each_kind_of_call_has_a_patience_of_its_own(hedged):
    explain = replace(ROW, operation=Operation.EXPLAIN)
    gate = asyncio.Event()
    asyncio.get_running_loop().call_later(0.1, gate.set)
    assert await hedged.call((gate, FIRST), (SECOND,), row=explain) == FIRST


async def test_two_of_a_hundred_calls_at_most_are_made_again(monkeypatch):
    monkeypatch.setattr(hedging, "SHORTEST_WAIT", 0.001)
    fresh = Hedged()
    extra = 0
    for number in range(1, 501):
        gate = asyncio.Event()
        asyncio.get_running_loop().call_later(0.005, gate.set)
        await fresh.call((gate, FIRST) if number % 25 == 0 else (FIRST,), (gate, SECOND))  # four of a hundred
        extra += len(fresh.backend.rows) - 1
        assert extra <= 0.02 * number
    outcomes = fresh.outcomes()
    assert extra == sum(outcomes.values()) - outcomes["refused"] > 0


async def test_what_waits_longest_is_next_once_the_budget_has_it(never):
    fresh = Hedged()
    await fresh.learn(BLOCK)  # one hedge
    for _ in range(2):
        fresh.backend.steps.append((never, FIRST))
    calls = [asyncio.create_task(fresh.hedging.call("sarcasm", ROW, 5.0)) for _ in range(2)]
    fresh.backend.steps.append((SECOND,))
    assert await calls[0] == SECOND
    await asyncio.sleep(0.05)
    assert not calls[1].done()
    for _ in range(50):
        await fresh.hedging.call("sarcasm", ROW, 5.0)
    assert await calls[1] == FIRST
    assert fresh.outcomes() == {"won": 2}


async def test_waiting_for_stalled_workers_does_not_teach_patience(hedged, never):
    """Nor does it for ever: what calls took long ago is forgotten."""
    for _ in range(BLOCK * (BLOCKS - 2)):
        hedged.hedging._latencies["sarcasm", Operation.PREDICT].add(1.0)
    assert await hedged.call((never, FIRST), (SECOND,)) == SECOND
    for _ in range(BLOCK * BLOCKS):
        hedged.hedging._latencies["sarcasm", Operation.PREDICT].add(1.0)
    gate = asyncio.Event()
    asyncio.get_running_loop().call_later(0.1, gate.set)
    assert await hedged.call((gate, FIRST), (SECOND,)) == FIRST


async def test_a_quiet_time_saves_up_for_a_bad_one_but_not_for_ever(never):
    fresh = Hedged()
    await fresh.learn(3_000)
    for _ in range(int(SAVED)):
        assert await fresh.call((never, FIRST), (SECOND,)) == SECOND
    gate = asyncio.Event()
    asyncio.get_running_loop().call_later(0.1, gate.set)
    assert await fresh.call((gate, FIRST), (SECOND,)) == FIRST
    assert fresh.outcomes() == {"won": SAVED, "refused": 1}
