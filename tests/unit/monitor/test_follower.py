"""A version's stream in a real Valkey, counted once whatever happens in between."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from fake_worker import until
from monitor_process import publish
from valkey_server import running_valkey
from watched_store import (
    EVERYTHING,
    SARCASM,
    TEXT,
    assert_same,
    digest_of,
    draw,
    draw_reference,
)

from attendant.statistics.detector import Detector
from services.monitor import feed, follower
from services.monitor.feed import Feed, NotLeadingError
from services.monitor.follower import Follower
from services.monitor.link import Link, LinkError
from services.monitor.watch import Watch
from services.redis_connection import connect

RUN_LENGTH = 50.0
STREAM = f"attendant:samples:{{{SARCASM}}}"
LEASE = f"attendant:monitor:{{{SARCASM}}}:lease"
STATE = f"attendant:monitor:{{{SARCASM}}}:state"


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(feed, "LEASE_MS", 500)
    monkeypatch.setattr(follower, "RENEW_SECONDS", 0.1)
    monkeypatch.setattr(follower, "AGAIN_SECONDS", 0.05)


class Running:
    def __init__(self, server, references, save):
        self.link = Link(connect(server.url, 1.0))
        self.feed = Feed(SARCASM, self.link)
        self.follower = Follower(
            self.feed, lambda: Watch(SARCASM, references, RUN_LENGTH), poll=0.01, save=save
        )
        self.stopping = asyncio.Event()
        self.task = asyncio.create_task(self.follower.run(self.stopping))

    @property
    def progress(self):
        return self.follower.status.progress

    async def stop(self):
        self.stopping.set()
        await self.task

    async def kill(self):
        """As a crash does it: nothing is saved, and the lease stays."""
        self.task.cancel()
        await asyncio.wait([self.task])

    async def counted(self, entries):
        await until(lambda: self.progress.entries + self.progress.bad + self.progress.lost >= entries)
        assert self.progress.entries + self.progress.bad + self.progress.lost == entries

    def detector(self):
        return self.follower._watch._detector.to_bytes()


@pytest.fixture
async def follow(server, references):
    started = []

    def start(save=0.05):
        started.append(Running(server, references, save))
        return started[-1]

    yield start
    for running in started:
        await running.kill()
        await running.link.close()


def pieces(count, first=0):
    """Entries of some rows each, text alone and everything in turn."""
    return [
        draw(EVERYTHING if seed % 3 == 0 else (TEXT,), 7 + seed % 30, seed, drift=0.5)
        for seed in range(first, first + count)
    ]


def fed(*parts):
    detector = Detector(draw_reference(), RUN_LENGTH)
    for part in parts:
        detector.add(part)
    return detector.to_bytes()


async def test_what_is_there_and_what_comes_is_counted_saved_and_forgotten(client, follow):
    before, after = pieces(30), pieces(20, 30)
    for piece in before:
        await publish(client, piece)
    one = follow()
    await one.counted(30)
    assert one.follower.status.leads
    for piece in after:
        await publish(client, piece)
    await one.counted(50)
    assert_same(one.detector(), fed(*before, *after))
    assert await client.xlen(STREAM) == 0
    assert (await client.xpending(STREAM, "monitor"))["pending"] == 0
    await until(lambda: one.follower.status.pending == 0)
    assert one.follower.status.lag_seconds == 0


async def test_many_more_than_one_page(client, follow, monkeypatch):
    monkeypatch.setattr(follower, "PAGE", 7)
    monkeypatch.setattr(feed, "PAGE", 7)
    parts = pieces(60)
    for piece in parts:
        await publish(client, piece)
    one = follow()
    await one.counted(60)
    assert_same(one.detector(), fed(*parts))


async def test_after_a_crash_the_next_one_counts_what_was_not_saved_again_and_nothing_twice(client, follow):
    parts = pieces(60)
    for piece in parts[:30]:
        await publish(client, piece)
    one = follow()
    await one.counted(30)
    one.follower._save_seconds = 60
    for piece in parts[30:45]:
        await publish(client, piece)
    await until(lambda: one.follower._progress.entries == 45)  # counted, and never saved
    await one.kill()
    assert (await client.xpending(STREAM, "monitor"))["pending"] == 15
    other = follow()
    for piece in parts[45:]:
        await publish(client, piece)
    await other.counted(60)
    assert_same(other.detector(), fed(*parts))


async def test_one_that_is_stopped_saves_and_leaves_its_place(client, follow):
    one = follow(save=60)
    await until(lambda: one.follower.status.leads)
    parts = pieces(5)
    for piece in parts:
        await publish(client, piece)
    await until(lambda: one.follower._progress.entries == 5)
    await one.stop()
    assert not await client.exists(LEASE)
    assert await client.xlen(STREAM) == 0
    other = follow()
    await other.counted(5)
    assert_same(other.detector(), fed(*parts))


async def test_of_two_one_leads_and_the_other_shows_nothing_until_it_does(client, follow):
    one = follow()
    await until(lambda: one.follower.status.leads)
    other = follow()
    parts = pieces(10)
    for piece in parts:
        await publish(client, piece)
    await one.counted(10)
    await asyncio.sleep(0.7)  # longer than a lease
    assert one.follower.status.leads
    assert not other.follower.status.leads
    assert other.follower.snapshot is None
    await one.stop()
    await until(lambda: other.follower.status.leads)
    await other.counted(10)
    assert_same(other.detector(), fed(*parts))


async def test_who_lost_the_lease_reads_and_saves_nothing_and_drops_what_it_had(client, follow):
    parts = pieces(40)
    one = follow(save=60)
    await until(lambda: one.follower.status.leads)
    for piece in parts[:20]:
        await publish(client, piece)
    await until(lambda: one.follower._progress.entries == 20)
    await client.set(LEASE, "somebody else's", px=300)
    await until(lambda: one.follower.snapshot is None)
    assert not await client.exists(STATE)
    one.follower._save_seconds = 0.05
    for piece in parts[20:]:
        await publish(client, piece)
    await one.counted(40)
    assert_same(one.detector(), fed(*parts))


async def test_a_late_command_of_a_former_term_does_nothing(client, server):
    link = Link(connect(server.url, 1.0))
    try:
        old, new = Feed(SARCASM, link), Feed(SARCASM, link)
        assert await old.take()
        await old.begin()
        await client.delete(LEASE)
        assert await new.take()
        await new.begin()
        await publish(client, draw(count=2))
        for late in (
            old.read(feed.NEW),
            old.save(b"x", "9-9", ["1-1"]),
            old.renew(),
            old.release(),
            old.begin(),
        ):
            with pytest.raises(NotLeadingError):
                await late
        assert len((await new.read(feed.NEW)).entries) == 1
        assert not await client.exists(STATE)
        assert not await old.take()
        assert old.is_anothers
        assert not await new.take()
        assert not new.is_anothers
    finally:
        await link.close()


async def test_entries_that_were_trimmed_unread_are_lost_and_said_so(client, follow):
    for piece in pieces(30):
        await publish(client, piece)
    await client.xtrim(STREAM, maxlen=12, approximate=False)
    one = follow()
    await one.counted(30)
    assert (one.progress.entries, one.progress.lost) == (12, 18)
    for piece in pieces(5):
        await publish(client, piece)
    await one.counted(35)
    assert one.progress.lost == 18


async def test_entries_that_were_trimmed_after_they_were_handed_out_are_lost_too(client, follow):
    one = follow(save=60)
    await until(lambda: one.follower.status.leads)
    for piece in pieces(10):
        await publish(client, piece)
    await until(lambda: one.follower._progress.entries == 10)
    await one.kill()
    await client.xtrim(STREAM, maxlen=4, approximate=False)
    other = follow()
    await other.counted(10)
    assert (other.progress.entries, other.progress.lost) == (4, 6)
    assert_same(other.detector(), fed(*pieces(10)[6:]))


BAD = [
    {"digest": "x" * 64, "samples": b""},
    {"digest": digest_of(), "samples": b"\xff\xff"},
    {"digest": digest_of()},
    {"samples": b""},
    {"nothing": ""},
]


async def test_what_is_no_explanation_is_counted_as_bad_and_forgotten(client, follow):
    part = draw(EVERYTHING, 5)
    odd = draw(EVERYTHING, 5)
    odd.maps[2] = 0
    huge = draw(count=2)
    huge.values[0, 0] = float("inf")
    for fields in BAD:
        await client.xadd(STREAM, fields)
    await publish(client, odd)
    await publish(client, huge)
    await publish(client, draw(count=1), digest="not hexadecimal")
    await publish(client, part)
    one = follow()
    await one.counted(9)
    assert (one.progress.entries, one.progress.bad) == (1, 8)
    assert_same(one.detector(), fed(part))
    assert await client.xlen(STREAM) == 0


async def test_what_the_detector_cannot_take_is_bad_and_does_not_come_again(client, follow, monkeypatch):
    def fail(_self, _parts):
        raise ZeroDivisionError

    one = follow()
    await until(lambda: one.follower.status.leads)
    with monkeypatch.context() as patch:
        patch.setattr(Watch, "add", fail)
        await publish(client, draw(count=1))
        await one.counted(1)
    await publish(client, draw(count=3))
    await one.counted(2)
    assert (one.progress.entries, one.progress.bad) == (1, 1)


@pytest.mark.parametrize("state", [b"", b"nonsense", b'{"last": 1, "more": 2}\n', b"[]\n{}"])
async def test_a_state_that_is_none_is_left_behind(client, follow, state):
    await client.set(STATE, state)
    part = draw(count=4)
    await publish(client, part)
    one = follow()
    await one.counted(1)
    assert_same(one.detector(), fed(part))


async def test_with_another_reference_it_counts_anew_and_nothing_is_lost(
    client, follow, references, tmp_path
):
    for piece in pieces(10):
        await publish(client, piece)
    one = follow()
    await one.counted(10)
    await one.stop()
    state = await client.get(STATE)
    progress, _, watched = state.partition(b"\n")
    header, _, _ = watched.partition(b"\n")
    await client.set(STATE, progress + b"\n" + header + b"\n" + Detector(None).to_bytes())
    other = follow()
    part = draw(count=3, seed=9)
    await publish(client, part)
    await other.counted(11)
    assert other.progress.lost == 0
    assert_same(other.detector(), fed(part))


async def test_redis_restarts_empty_and_nothing_that_was_counted_is_gone(tmp_path, references):
    with running_valkey(tmp_path) as server:
        one = Running(server, references, 0.05)
        client = connect(server.url, 5.0)
        parts = pieces(30)
        for piece in parts[:20]:
            await publish(client, piece)
        await one.counted(20)
        await client.aclose()
        server.kill()
        await until(lambda: not one.link.up)
        assert one.follower.snapshot is not None
        server.start()
        client = connect(server.url, 5.0)
        await until(lambda: one.link.up)
        for piece in parts[20:]:
            await publish(client, piece)
        await one.counted(30)
        assert_same(one.detector(), fed(*parts))
        assert one.progress.lost == 0
        await client.aclose()
        await one.stop()
        await one.link.close()


async def test_redis_that_hangs_is_waited_for(tmp_path, references, monkeypatch):
    monkeypatch.setattr("services.monitor.link.SECONDS", 0.2)
    with running_valkey(tmp_path) as server:
        one = Running(server, references, 0.05)
        client = connect(server.url, 5.0)
        parts = pieces(30)
        for piece in parts[:20]:
            await publish(client, piece)
        await one.counted(20)
        server.pause()
        await until(lambda: not one.link.up)
        server.resume()
        for piece in parts[20:]:
            await publish(client, piece)
        await one.counted(30)
        assert_same(one.detector(), fed(*parts))
        await client.aclose()
        await one.stop()
        await one.link.close()


async def test_a_full_redis_still_takes_the_state(tmp_path, references):
    with running_valkey(tmp_path) as server:
        one = Running(server, references, 60)
        client = connect(server.url, 5.0)
        await until(lambda: one.follower.status.leads)
        parts = pieces(20)
        for piece in parts:
            await publish(client, piece)
        await until(lambda: one.follower._progress.entries == 20)
        await client.config_set("maxmemory", "1")
        with pytest.raises(LinkError):
            await one.link.ask(client.set("a", "b"))
        await one.stop()
        await client.config_set("maxmemory", "0")
        assert await client.exists(STATE)
        assert await client.xlen(STREAM) == 0
        await client.aclose()
        await one.link.close()


async def test_a_full_redis_can_be_emptied_by_a_monitor_that_begins(tmp_path, references):
    """Else nobody could: it is the streams that fill it."""
    with running_valkey(tmp_path) as server:
        client = connect(server.url, 5.0)
        for piece in pieces(20):
            await publish(client, piece)
        await client.config_set("maxmemory", "1")
        one = Running(server, references, 0.05)
        await one.counted(20)
        await until(lambda: one.follower.status.pending == 0)
        assert await client.xlen(STREAM) == 0
        await one.stop()
        await client.aclose()
        await one.link.close()


@asynccontextmanager
async def _cluster(tmp_path):
    with running_valkey(tmp_path, "--cluster-enabled", "yes") as server:
        node = connect(server.url, 5.0)
        await node.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)

        async def is_whole():
            return b"cluster_state:ok" in await node.execute_command("CLUSTER", "INFO")

        await until(is_whole)
        await node.aclose()
        server.url = f"redis+cluster://127.0.0.1:{server.port}"
        yield server


async def test_on_a_cluster(tmp_path, references):
    async with _cluster(tmp_path) as server:
        client = connect(server.url, 5.0)
        parts = pieces(10)
        for piece in parts:
            await publish(client, piece)
        one = Running(server, references, 0.05)
        await one.counted(10)
        assert_same(one.detector(), fed(*parts))
        await client.aclose()
        await one.stop()
        await one.link.close()
