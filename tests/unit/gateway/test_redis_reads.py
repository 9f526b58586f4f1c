"""Many GETs over one connection, to a real Valkey: every reply to its own question, whatever happens to the others."""

import asyncio
import select
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from fake_worker import until
from meddling_proxy import behind_a_proxy
from redis.exceptions import BusyLoadingError, InvalidResponse, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from valkey_server import running_valkey

from services.gateway import redis_reads
from services.gateway.redis_reads import Reads
from services.redis_connection import CONNECTIONS, connect, disconnect

LARGE = 300_000  # bytes: more than is read at a time


@pytest.fixture
def server(tmp_path):
    with running_valkey(tmp_path) as running:
        yield running


@pytest.fixture
async def client(server):
    client = connect(server.url, 5.0)
    yield client
    await client.aclose()


@asynccontextmanager
async def reading(url, seconds=1.0):
    """With a connection of its own, once that is there."""
    client = connect(url, seconds)
    reads = Reads(client, seconds)
    try:
        await reads.get("first")
        await until(lambda: has_line(reads))
        yield reads
    finally:
        await reads.close()
        await disconnect(client)


def has_line(reads):
    return reads._line is not None and reads._line.is_open


async def fill(client, count, size=LARGE):
    values = {f"key {number}": (b"%d " % number) * (size // 4) for number in range(count)}
    await client.mset(values)
    return values


async def test_many_at_once_share_one_connection(server, client):
    values = await fill(client, 2 * CONNECTIONS, size=5000)
    async with reading(server.url, 30.0) as reads:
        before = len(await client.client_list())
        replies = await asyncio.gather(*(reads.get(key) for key in values), reads.get("none"))
        assert replies == [*values.values(), None]
        assert len(await client.client_list()) == before
    await until(lambda: _has_clients(client, 1))


async def test_who_leaves_does_not_leave_a_reply_to_the_next(server, client):
    values = await fill(client, 20)
    async with reading(server.url, 30.0) as reads:

        async def ask(number, key):
            asking = asyncio.ensure_future(reads.get(key))
            if number % 3 == 0:
                await asyncio.sleep(0.0003 * (number % 5))
                asking.cancel()
                await asyncio.wait({asking})
            else:
                assert await asking == values[key]

        line = reads._line
        for _ in range(5):
            await asyncio.gather(*(ask(number, key) for number, key in enumerate(values)))
        assert reads._line is line


async def test_a_late_reply_is_nobodys(server, client):
    values = await fill(client, 2)
    async with reading(server.url, 0.2) as reads:
        server.pause()
        late = await asyncio.gather(reads.get("key 0"), reads.get("key 0"), return_exceptions=True)
        assert [type(error) for error in late] == [TimeoutError, TimeoutError]
        assert not has_line(reads)
        server.resume()
        await until(lambda: _answers(reads, "key 1", values["key 1"]))
        await until(lambda: has_line(reads))
        assert await reads.get("key 1") == values["key 1"]


async def test_a_reply_that_comes_at_once_is_there_at_once(server, client):
    await client.set("key", b"x")
    async with reading(server.url) as reads:

        async def is_there() -> bool:
            return reads.ask("key").done()  # the event loop had no chance to look

        await until(is_there)


async def test_a_server_that_takes_its_time_is_hardly_ever_waited_for_on_the_spot(
    server, client, monkeypatch
):
    await client.set("key", b"x")
    waits = []

    def wait(*arguments):
        waits.append(arguments)
        return select.select(*arguments)

    async with behind_a_proxy(server, seconds=0.001) as url, reading(url) as reads:
        monkeypatch.setattr(redis_reads, "select", SimpleNamespace(select=wait))
        for _ in range(200):
            assert await reads.get("key") == b"x"
    assert 0 < len(waits) < 10  # before the 1st, 3rd, 7th, 15th, ...


async def test_each_has_its_own_time(server, client):
    """The timer that watches over the first is there for those that come later, too."""
    async with reading(server.url, 0.3) as reads:
        assert await reads.get("none") is None
        await asyncio.sleep(0.2)
        server.pause()
        asking = asyncio.ensure_future(reads.get("none"))
        await asyncio.sleep(0.2)  # beyond the first one's time
        assert not asking.done()
        with pytest.raises(TimeoutError):
            await asking
        server.resume()


async def test_a_connection_that_is_cut_in_a_reply_fails_who_waits_and_nobody_else(server, client):
    values = await fill(client, 2)
    broken = False

    def change(data):
        nonlocal broken
        if broken:
            broken = False
            raise ConnectionError
        broken = len(data) > 10_000 and cut.is_set()
        return data

    cut = asyncio.Event()
    async with behind_a_proxy(server, change=change) as url, reading(url, 5.0) as reads:
        cut.set()
        replies = await asyncio.gather(reads.get("key 0"), reads.get("key 1"), return_exceptions=True)
        assert [type(reply) for reply in replies] == [RedisConnectionError, RedisConnectionError]
        cut.clear()
        assert await reads.get("key 1") == values["key 1"]
        await until(lambda: has_line(reads))
        assert await reads.get("key 0") == values["key 0"]


async def test_a_restart_between_two_questions_fails_neither(server):
    async with reading(server.url) as reads:
        server.restart()
        await until(lambda: not has_line(reads))
        assert await reads.get("none") is None
        await until(lambda: has_line(reads))
        assert await reads.get("none") is None


async def test_a_refusal_is_raised_and_the_connection_stays(server, client):
    await client.lpush("list", "x")
    await client.set("key", b"x")
    async with reading(server.url) as reads:
        line = reads._line
        replies = await asyncio.gather(reads.get("list"), reads.get("key"), return_exceptions=True)
        assert isinstance(replies[0], ResponseError)
        assert replies[1] == b"x"
        assert reads._line is line


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (b"-LOADING Valkey is loading the dataset in memory\r\n", BusyLoadingError),
        (b"what?\r\n", InvalidResponse),
    ],
)
async def test_replies_mean_what_they_mean_to_redis_py(server, client, reply, error):
    await client.set("key", b"x")
    replaced = False
    async with (
        behind_a_proxy(server, change=lambda data: reply if replaced else data) as url,
        reading(url) as reads,
    ):
        replaced = True
        with pytest.raises(error):
            await reads.get("key")


async def test_a_reply_that_nobody_asked_for_ends_the_connection(server, client):
    await client.set("key", b"x")
    doubled = False
    async with (
        behind_a_proxy(server, change=lambda data: 2 * data if doubled else data) as url,
        reading(url) as reads,
    ):
        doubled = True
        assert await reads.get("key") == b"x"
        assert not has_line(reads)
        doubled = False
        assert await reads.get("none") is None


async def test_what_a_server_tells_unasked_in_protocol_3_is_no_reply(server, client):
    await client.set("key", b"x")
    told = False
    push = b">2\r\n+invalidate\r\n*1\r\n+key\r\n"
    async with (
        behind_a_proxy(server, change=lambda data: push + data if told else data) as url,
        reading(f"{url}?protocol=3") as reads,
    ):
        told = True
        assert await reads.get("key") == b"x"
        assert await reads.get("none") is None
        assert has_line(reads)


async def test_without_a_connection_of_its_own_redis_py_is_asked_and_the_server_left_in_peace(server, client):
    await client.set("key", b"x")
    other = connect(server.url, 1.0)
    reads = Reads(other, 1.0)
    assert await other.get("key") == b"x"
    await client.config_set("maxclients", len(await client.client_list()))
    for _ in range(100):
        assert await reads.get("key") == b"x"
    await asyncio.sleep(0.1)
    assert not has_line(reads)
    assert (await client.info("stats"))["rejected_connections"] == 1
    await reads.close()
    await disconnect(other)


async def test_it_can_be_closed_at_any_time(server, client):
    for wait in (0.0, 0.0, 0.0002, 0.001, 0.003):
        other = connect(server.url, 1.0)
        reads = Reads(other, 1.0)
        asking = asyncio.ensure_future(reads.get("key"))
        await asyncio.sleep(wait)
        await reads.close()
        await asyncio.wait({asking})
        await disconnect(other)
    await until(lambda: _has_clients(client, 1))


async def _has_clients(client, count) -> bool:
    return len(await client.client_list()) == count


async def _answers(reads, key, value) -> bool:
    try:
        return bool(await reads.get(key) == value)
    except (OSError, RedisConnectionError):
        return False
