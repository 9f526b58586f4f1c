import asyncio
from contextlib import AsyncExitStack

import pytest
from sample_models import manifest

from attendant.archive import SERVING
from attendant.errors import AttendantError, Reason
from attendant.lanes import Lane
from services.gateway.admission import ARCHIVE_LIMITS, FIRST_GUESS, Admission
from services.gateway.lanes import Work

PREDICT, EXPLAIN, SLOW = Work
A, B = manifest("a"), manifest("b")


def limited(limit, **others):
    return Admission({PREDICT: limit, EXPLAIN: 1, SLOW: 1} | others)


async def refusal(admission, model, work) -> AttendantError:
    with pytest.raises(AttendantError) as caught:
        async with admission.slot(model, work):
            pytest.fail("it was let in")
    assert caught.value.reason is Reason.OVERLOADED
    return caught.value


async def test_a_single_request_is_refused_beyond_the_limit_and_welcome_after():
    admission = limited(2)
    async with admission.slot(A, PREDICT):
        async with admission.slot(A, PREDICT):
            assert (await refusal(admission, A, PREDICT)).metadata["limit"] == "2"
            async with admission.slot(B, PREDICT):
                pass
        async with admission.slot(A, PREDICT):
            pass


@pytest.mark.parametrize("full", Work)
async def test_no_kind_of_work_takes_anothers_place(full):
    admission = Admission(dict.fromkeys(Work, 1))
    async with admission.slot(A, full):
        assert full in str(await refusal(admission, A, full))
        for other in set(Work) - {full}:
            async with admission.slot(A, other):
                pass


@pytest.mark.parametrize("work", Work)
async def test_the_models_of_an_archive_share_what_its_queue_holds(work):
    limit = ARCHIVE_LIMITS[work]
    admission = Admission(dict.fromkeys(Work, limit - 1))
    async with AsyncExitStack() as held:
        for _ in range(limit - 1):
            await held.enter_async_context(admission.slot(A, work))
        await held.enter_async_context(admission.slot(B, work))
        error = await refusal(admission, B, work)
        assert error.metadata["limit"] == str(limit)
        assert "archive 'sarcasm'" in str(error)
        async with admission.slot(manifest("c", archive="sdc"), work):
            pass
    async with admission.slot(B, work):
        pass


@pytest.mark.parametrize("lane", Lane)
def test_what_is_let_in_fits_into_the_workers_queue(lane):
    """With room for hedges, describing, and what was given up but still lies there."""
    let_in = sum(limit for work, limit in ARCHIVE_LIMITS.items() if work.lane is lane)
    assert let_in <= 0.75 * SERVING[lane].queue_size


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_refusal_says_when_a_slot_is_free_by_how_long_they_were_taken_lately():
    clock = Clock()
    admission = Admission(dict.fromkeys(Work, 4), clock)

    async def stay(seconds):
        async with admission.slot(A, PREDICT):
            clock.now += seconds

    async def told():
        async with AsyncExitStack() as held:
            for _ in range(4):
                await held.enter_async_context(admission.slot(A, PREDICT))
            return (await refusal(admission, A, PREDICT)).retry_after

    assert await told() == pytest.approx(FIRST_GUESS[PREDICT] / 4, abs=0.002)
    for _ in range(100):
        await stay(0.8)
    assert await told() == pytest.approx(0.2, abs=0.001)
    for _ in range(100):
        await stay(0.0001)
    assert await told() == 0.01
    for _ in range(100):
        await stay(600.0)
    assert await told() == 5.0


@pytest.mark.parametrize(
    ("work", "limit", "share"), [(PREDICT, 4, 2), (EXPLAIN, 4, 2), (SLOW, 8, 2), (SLOW, 1, 1)]
)
async def test_bulk_work_waits_and_leaves_slots_to_single_requests(work, limit, share):
    admission = Admission(dict.fromkeys(Work, limit))
    inside = 0
    leave = asyncio.Event()

    async def bulk():
        nonlocal inside
        async with admission.bulk_slot(A, work):
            inside += 1
            await leave.wait()

    tasks = [asyncio.create_task(bulk()) for _ in range(5)]
    await asyncio.sleep(0)
    assert inside == share
    async with AsyncExitStack() as held:
        for _ in range(limit - share):
            await held.enter_async_context(admission.slot(A, work))
        await refusal(admission, A, work)
    leave.set()
    await asyncio.gather(*tasks)
    assert inside == 5


async def test_bulk_work_that_gives_up_leaves_its_place():
    admission = limited(1)
    async with admission.slot(A, PREDICT):
        waiting = asyncio.create_task(AsyncExitStack().enter_async_context(admission.bulk_slot(A, PREDICT)))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
    async with admission.slot(A, PREDICT):
        pass
    async with admission.bulk_slot(A, PREDICT):
        pass


async def test_bulk_work_waits_for_single_requests_too():
    admission = limited(1)
    order = []

    async def bulk():
        async with admission.bulk_slot(A, PREDICT):
            order.append("bulk")

    async with admission.slot(A, PREDICT):
        task = asyncio.create_task(bulk())
        await asyncio.sleep(0)
        order.append("single")
    await task
    assert order == ["single", "bulk"]
