import asyncio
from contextlib import AsyncExitStack

import pytest

from attendant.errors import AttendantError, Reason
from attendant.lanes import Lane
from services.gateway.admission import Admission

FAST, SLOW = Lane.FAST, Lane.SLOW


def fast(limit):
    return Admission({FAST: limit, SLOW: 1})


async def test_a_single_request_is_refused_beyond_the_limit_and_welcome_after():
    admission = fast(2)
    async with admission.slot("a", FAST):
        async with admission.slot("a", FAST):
            with pytest.raises(AttendantError) as caught:
                async with admission.slot("a", FAST):
                    pytest.fail("a third was let in")
            assert caught.value.reason is Reason.OVERLOADED
            async with admission.slot("b", FAST):
                pass
        async with admission.slot("a", FAST):
            pass


async def test_a_full_lane_leaves_the_other_alone_and_says_when_to_come_again():
    admission = Admission({FAST: 1, SLOW: 1})
    async with admission.slot("a", SLOW):
        with pytest.raises(AttendantError, match="slow") as slow:
            await AsyncExitStack().enter_async_context(admission.slot("a", SLOW))
        async with admission.slot("a", FAST):
            with pytest.raises(AttendantError, match="fast") as fast:
                await AsyncExitStack().enter_async_context(admission.slot("a", FAST))
    assert (slow.value.retry_after, fast.value.retry_after) == (2.0, 0.5)


@pytest.mark.parametrize(("lane", "limit", "share"), [(FAST, 4, 2), (SLOW, 8, 2), (SLOW, 1, 1)])
async def test_bulk_work_waits_and_leaves_slots_to_single_requests(lane, limit, share):
    admission = Admission({FAST: limit, SLOW: limit})
    inside = 0
    leave = asyncio.Event()

    async def bulk():
        nonlocal inside
        async with admission.bulk_slot("a", lane):
            inside += 1
            await leave.wait()

    tasks = [asyncio.create_task(bulk()) for _ in range(5)]
    await asyncio.sleep(0)
    assert inside == share
    async with AsyncExitStack() as held:
        for _ in range(limit - share):
            await held.enter_async_context(admission.slot("a", lane))
        with pytest.raises(AttendantError):
            await held.enter_async_context(admission.slot("a", lane))
    leave.set()
    await asyncio.gather(*tasks)
    assert inside == 5


async def test_bulk_work_that_gives_up_leaves_its_place():
    admission = fast(1)
    async with admission.slot("a", FAST):
        waiting = asyncio.create_task(AsyncExitStack().enter_async_context(admission.bulk_slot("a", FAST)))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
    async with admission.slot("a", FAST):
        pass
    async with admission.bulk_slot("a", FAST):
        pass


async def test_bulk_work_waits_for_single_requests_too():
    admission = fast(1)
    order = []

    async def bulk():
        async with admission.bulk_slot("a", FAST):
            order.append("bulk")

    async with admission.slot("a", FAST):
        task = asyncio.create_task(bulk())
        await asyncio.sleep(0)
        order.append("single")
    await task
    assert order == ["single", "bulk"]
