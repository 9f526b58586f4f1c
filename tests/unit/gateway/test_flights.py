"""One leads, the others wait: whatever becomes of the leader, nobody is left without an outcome."""

import asyncio

import pytest
from fake_worker import until
from hypothesis import given
from hypothesis import strategies as st

from attendant.errors import AttendantError, Reason, deadline_exceeded, overloaded
from services.gateway.flights import Flights


def always(_: object) -> bool:
    return True


class Work:
    """Each call waits until it is told how to end."""

    def __init__(self) -> None:
        self.calls: list[asyncio.Future[str]] = []

    def __call__(self) -> asyncio.Future[str]:
        self.calls.append(asyncio.get_running_loop().create_future())
        return self.calls[-1]


async def start(flights, work, count, key="a"):
    before = len(work.calls)
    tasks = [asyncio.create_task(flights.join(key, work, always)) for _ in range(count)]
    await until(lambda: len(work.calls) > before or before)
    await asyncio.sleep(0)
    return tasks


async def test_sixteen_cost_one_computation():
    flights, work = Flights(), Work()
    tasks = await start(flights, work, 16)
    work.calls[0].set_result("x")
    assert await asyncio.gather(*tasks) == [("x", False), *[("x", True)] * 15]
    assert len(work.calls) == 1


async def test_the_next_one_after_it_computes_again():
    flights, work = Flights(), Work()
    for number in (0, 1):
        (task,) = await start(flights, work, 1)
        await until(lambda number=number: len(work.calls) == number + 1)
        work.calls[number].set_result("x")
        assert await task == ("x", False)


async def test_it_knows_whether_somebody_leads():
    flights, work = Flights(), Work()
    (task,) = await start(flights, work, 1)
    assert "a" in flights
    assert "b" not in flights
    work.calls[0].set_result("x")
    await task
    assert "a" not in flights


async def test_other_keys_do_not_wait():
    flights, work = Flights(), Work()
    (first,) = await start(flights, work, 1, "a")
    (second,) = await start(flights, work, 1, "b")
    await until(lambda: len(work.calls) == 2)
    work.calls[1].set_result("b")
    assert await second == ("b", False)
    work.calls[0].set_result("a")
    assert await first == ("a", False)


async def test_a_cancelled_leader_hands_over():
    flights, work = Flights(), Work()
    leader, *others = await start(flights, work, 4)
    leader.cancel()
    await until(lambda: len(work.calls) == 2)
    work.calls[1].set_result("x")
    assert sorted(await asyncio.gather(*others)) == [("x", False), ("x", True), ("x", True)]
    with pytest.raises(asyncio.CancelledError):
        await leader


async def test_a_leader_that_ran_out_of_its_own_time_hands_over():
    flights, work = Flights(), Work()
    leader, other = await start(flights, work, 2)
    work.calls[0].set_exception(deadline_exceeded("too late"))
    await until(lambda: len(work.calls) == 2)
    work.calls[1].set_result("x")
    assert await other == ("x", False)
    with pytest.raises(AttendantError) as caught:
        await leader
    assert caught.value.reason is Reason.DEADLINE_EXCEEDED


async def test_what_is_not_shareable_stays_with_the_leader():
    flights, work = Flights(), Work()
    join = lambda: asyncio.create_task(flights.join("a", work, lambda value: value != "cut"))  # noqa: E731
    leader, other = join(), join()
    await until(lambda: len(work.calls) == 1)
    work.calls[0].set_result("cut")
    assert await leader == ("cut", False)
    await until(lambda: len(work.calls) == 2)
    work.calls[1].set_result("whole")
    assert await other == ("whole", False)


async def test_a_failure_is_everybodys_but_its_details_are_each_ones_own():
    flights, work = Flights(), Work()
    tasks = await start(flights, work, 3)
    work.calls[0].set_exception(overloaded("it", 1, 0.5))
    errors = await asyncio.gather(*tasks, return_exceptions=True)
    assert {error.reason for error in errors} == {Reason.OVERLOADED}
    for number, error in enumerate(errors):
        error.metadata["request_id"] = str(number)
    assert [error.metadata["request_id"] for error in errors] == ["0", "1", "2"]
    assert len(work.calls) == 1


async def test_a_waiting_one_that_leaves_disturbs_nobody():
    flights, work = Flights(), Work()
    leader, one, other = await start(flights, work, 3)
    one.cancel()
    await asyncio.wait({one})
    work.calls[0].set_result("x")
    assert (await leader, await other) == (("x", False), ("x", True))


def end(call, fate, tasks):
    """Let it happen to who leads with `call`; "leave" takes away one who waits."""
    match fate:
        case "cancel":
            call.cancel()
        case "late":
            call.set_exception(deadline_exceeded("late"))
        case "fail":
            call.set_exception(overloaded("it", 1, 0.5))
        case "leave":
            next(task for task in reversed(tasks) if not task.done()).cancel()
        case value:
            call.set_result(value)


@given(st.lists(st.sampled_from(["cancel", "late", "fail", "cut", "value", "leave"]), max_size=12))
async def test_everybody_has_an_outcome_and_nothing_is_left(fates):
    flights, work = Flights(), Work()
    tasks = [asyncio.create_task(flights.join("a", work, lambda value: value != "cut")) for _ in range(8)]
    fates = [*fates, *["value"] * len(tasks)]
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        waited_for = [call for call in work.calls if not call.done()]
        if waited_for:
            end(waited_for[0], fates.pop(0), tasks)
    assert flights._flights == {}
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(outcome, tuple | AttendantError | asyncio.CancelledError) for outcome in outcomes)
