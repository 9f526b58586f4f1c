import asyncio

from fake_worker import until

from services.gateway.breaker import Breaker


class Service:
    def __init__(self) -> None:
        self.answers = False
        self.asked = 0

    async def probe(self) -> None:
        self.asked += 1
        if not self.answers:
            raise ConnectionError("nobody is there")


async def test_it_opens_at_once_and_closes_when_a_probe_is_answered():
    service = Service()
    breaker = Breaker("service", service.probe, first_pause=0.001, longest_pause=0.002)
    assert not breaker.is_open
    breaker.trip(ConnectionError())
    breaker.trip(ConnectionError())  # while it is open: nothing new
    assert breaker.is_open
    await until(lambda: service.asked >= 3)
    assert breaker.is_open
    service.answers = True
    await until(lambda: not breaker.is_open)
    asked = service.asked
    await asyncio.sleep(0.01)
    assert service.asked == asked
    breaker.trip(TimeoutError())
    assert breaker.is_open
    await breaker.close()


async def test_pauses_between_probes_grow_to_a_limit(monkeypatch):
    pauses = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 6:
            service.answers = True

    service = Service()
    breaker = Breaker("service", service.probe, first_pause=0.25, longest_pause=2.0)
    monkeypatch.setattr("services.gateway.breaker.asyncio.sleep", sleep)
    breaker.trip(ConnectionError())
    await breaker._probing
    assert pauses == [0.25, 0.5, 1.0, 2.0, 2.0, 2.0]


async def test_closing_it_leaves_no_task():
    breaker = Breaker("service", Service().probe)
    breaker.trip(ConnectionError())
    await breaker.close()
    assert len(asyncio.all_tasks()) == 1
