import asyncio
from contextlib import AsyncExitStack

import pytest

from attendant.errors import AttendantError, Reason
from services.gateway.admission import Admission


async def test_a_single_request_is_refused_beyond_the_limit_and_welcome_after():
    admission = Admission(2)
    async with admission.slot("a"):
        async with admission.slot("a"):
            with pytest.raises(AttendantError) as caught:
                async with admission.slot("a"):
                    pytest.fail("a third was let in")
            assert caught.value.reason is Reason.OVERLOADED
            async with admission.slot("b"):
                pass
        async with admission.slot("a"):
            pass


async def test_bulk_work_waits_and_leaves_half_of_the_slots():
    admission = Admission(4)
    inside = 0
    leave = asyncio.Event()

    async def bulk():
        nonlocal inside
        async with admission.bulk_slot("a"):
            inside += 1
            await leave.wait()

    tasks = [asyncio.create_task(bulk()) for _ in range(5)]
    await asyncio.sleep(0)
    assert inside == 2
    async with admission.slot("a"), admission.slot("a"):
        with pytest.raises(AttendantError):
            await AsyncExitStack().enter_async_context(admission.slot("a"))
    leave.set()
    await asyncio.gather(*tasks)
    assert inside == 5


async def test_bulk_work_that_gives_up_leaves_its_place():
    admission = Admission(1)
    async with admission.slot("a"):
        waiting = asyncio.create_task(AsyncExitStack().enter_async_context(admission.bulk_slot("a")))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
    async with admission.slot("a"):
        pass
    async with admission.bulk_slot("a"):
        pass


async def test_bulk_work_waits_for_single_requests_too():
    admission = Admission(1)
    order = []

    async def bulk():
        async with admission.bulk_slot("a"):
            order.append("bulk")

    async with admission.slot("a"):
        task = asyncio.create_task(bulk())
        await asyncio.sleep(0)
        order.append("single")
    await task
    assert order == ["single", "bulk"]
