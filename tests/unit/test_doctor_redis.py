"""A real Valkey as it should be, and as it should not."""

import re
import time

import pytest
from valkey_server import running_valkey

from attendant.doctor import redis_server
from attendant.doctor.clock import Offset
from attendant.doctor.redis_server import NoRedisError, Server, Stream
from attendant.doctor.troubles.advice import Status
from attendant.doctor.troubles.behind import Behind

GOOD = ("--maxmemory", "64mb", "--maxmemory-policy", "volatile-lfu")


def look(url, seconds=1.0):
    with redis_server.connect(url, seconds) as client:
        return redis_server.look(client, lambda _: None)


def troubles(findings):
    return [finding.trouble for finding in findings]


def server(**info):
    return Server((0.001,) * 20, info, Offset(0, 0), ())


@pytest.fixture
def valkey(tmp_path):
    with running_valkey(tmp_path / "valkey", *GOOD) as running:
        yield running


def test_a_good_one(valkey):
    seen = look(valkey.url)
    (finding,) = redis_server.check_server("redis:6379", seen)
    assert finding.status is Status.OK
    assert finding.seen.startswith("Valkey 9.")
    assert troubles(redis_server.check_memory(seen)) == [None]
    assert troubles(redis_server.check_streams(seen.streams)) == [None]
    assert -1 < seen.offset.low <= seen.offset.high < 1
    with redis_server.connect(valkey.url, 1) as client:
        behind = redis_server.look(client, now=lambda: time.time() - 50).offset
    assert 49 < behind.low <= behind.high < 51


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--maxmemory-policy", "volatile-lfu"), [Behind.NO_LIMIT]),
        (("--maxmemory", "64mb"), [Behind.OTHER_POLICY]),
        (("--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"), [Behind.EVICTS_ALL]),
    ],
)
def test_what_it_throws_away(tmp_path, options, expected):
    with running_valkey(tmp_path / "valkey", *options) as running:
        assert troubles(redis_server.check_memory(look(running.url))) == expected


def test_nobody_there(valkey):
    valkey.kill()
    with pytest.raises(NoRedisError) as caught:
        look(valkey.url)
    (finding,) = redis_server.check_silence(caught.value, "redis:6379")
    assert (finding.trouble, finding.seen) == (Behind.NO_REDIS, "redis:6379: connection refused")


def test_one_that_answers_nobody(valkey):
    valkey.pause()
    with pytest.raises(NoRedisError) as caught:
        look(valkey.url, 0.2)
    assert troubles(redis_server.check_silence(caught.value, "r")) == [Behind.NO_REDIS]


@pytest.mark.parametrize("user", ["", ":wrong-hunter@", "nobody:wrong-hunter@"])
def test_a_password_that_is_wrong_is_told_and_not_shown(tmp_path, user):
    with running_valkey(tmp_path / "valkey", "--requirepass", "hunter2") as running:
        with pytest.raises(NoRedisError) as caught:
            look(running.url.replace("://", f"://{user}"))
        assert look(running.url.replace("://", "://:hunter2@")).info
    (finding,) = redis_server.check_silence(caught.value, "r")
    assert finding.trouble is Behind.REDIS_REFUSES
    assert "hunter" not in finding.seen


def test_options_of_the_url_that_are_none():
    with pytest.raises(NoRedisError), redis_server.connect("redis://h:1?socket_timeout=hunter2", 1):
        pass


@pytest.mark.parametrize(
    ("info", "pings", "trouble"),
    [
        ({"redis_version": "7.0.15"}, 0.001, None),
        ({"redis_version": "6.2.1"}, 0.001, Behind.REDIS_OLD),
        ({}, 0.001, Behind.REDIS_OLD),
        ({"redis_version": "7.2.4", "valkey_version": "8.1.3"}, 0.001, None),
        ({"redis_version": "7.0.15"}, 0.05, Behind.REDIS_SLOW),
    ],
)
def test_releases_and_slowness(info, pings, trouble):
    seen = Server((pings,) * 20, info, Offset(0, 0), ())
    assert troubles(redis_server.check_server("r", seen)) == [trouble]


def test_info_that_says_nothing_is_no_traceback():
    assert troubles(redis_server.check_memory(server())) == [Behind.OTHER_POLICY, Behind.NO_LIMIT]


def test_streams_that_a_monitor_reads_and_streams_that_nobody_does(valkey):
    with redis_server.connect(valkey.url, 1) as client:
        key = "attendant:samples:{sarcasm/1}"
        client.sadd("attendant:samples", "sarcasm/1", "irony/1")  # of irony there is no stream yet
        client.xadd(key, {"digest": "d"})
        assert look(valkey.url).streams == (Stream("irony/1", True, 0), Stream("sarcasm/1", False, 1))
        client.xgroup_create(key, "monitor", "0")
        assert not look(valkey.url).streams[1].read  # nobody has the lease
        client.set("attendant:monitor:{sarcasm/1}:lease", "token", px=60_000)
        assert look(valkey.url).streams[1] == Stream("sarcasm/1", True, 1)
        client.xreadgroup("monitor", "leader", {key: ">"})
        assert look(valkey.url).streams[1] == Stream("sarcasm/1", True, 0)


def test_a_stream_that_goes_while_it_is_looked_at_is_an_absent_one(valkey):
    with redis_server.connect(valkey.url, 1) as client:
        key = "attendant:samples:{sarcasm/1}"
        client.sadd("attendant:samples", "sarcasm/1")
        client.xadd(key, {"digest": "d"})
        ask = client.xinfo_groups
        client.xinfo_groups = lambda key: client.delete(key) and ask(key)
        assert redis_server.look(client).streams == (Stream("sarcasm/1", True, 0),)


def test_what_is_no_stream_is_no_refused_password(valkey):
    with redis_server.connect(valkey.url, 1) as client:
        client.set("attendant:samples", "")
    with pytest.raises(NoRedisError, match="wrong kind of value") as caught:
        look(valkey.url)
    assert troubles(redis_server.check_silence(caught.value, "r")) == [Behind.NO_REDIS]


def test_a_user_with_the_commands_that_the_advice_names_sees_everything(valkey):
    names = re.search(r"Its user needs ([A-Z, ]+ and [A-Z]+) for this", Behind.REDIS_REFUSES.value.do)
    assert names is not None
    commands = re.findall(r"[A-Z]{3,}", names[1])
    with redis_server.connect(valkey.url, 1) as client:
        client.sadd("attendant:samples", "sarcasm/1", "irony/1")
        client.xadd("attendant:samples:{sarcasm/1}", {"digest": "d"})
        client.xadd("attendant:samples:{irony/1}", {"digest": "d"})
        client.xgroup_create("attendant:samples:{irony/1}", "monitor", "0")
        allowed = [f"+{name.lower()}" for name in commands]
        client.execute_command("ACL", "SETUSER", "doctor", "on", ">hunter2", "~attendant:*", *allowed)
        seen = look(valkey.url.replace("://", "://doctor:hunter2@"))
        assert seen.streams == (Stream("irony/1", False, 1), Stream("sarcasm/1", False, 1))
        assert seen.info["valkey_version"]
        client.execute_command("ACL", "SETUSER", "doctor", f"-{commands[-1].lower()}")
    with pytest.raises(NoRedisError) as caught:
        look(valkey.url.replace("://", "://doctor:hunter2@"))
    assert caught.value.refused


def test_a_lease_that_is_just_changing_hands_is_waited_for(valkey):
    with redis_server.connect(valkey.url, 1) as client:
        client.sadd("attendant:samples", "sarcasm/1")
        client.xadd("attendant:samples:{sarcasm/1}", {"digest": "d"})
        client.xgroup_create("attendant:samples:{sarcasm/1}", "monitor", "0")

        def take(_seconds):
            client.set("attendant:monitor:{sarcasm/1}:lease", "token")

        with redis_server.connect(valkey.url, 1) as own:
            assert redis_server.look(own, take).streams[0].read


@pytest.mark.parametrize(
    ("streams", "expected"),
    [
        ((), [None]),
        ((Stream("a/1", True, 3),), [None]),
        ((Stream("a/1", False, 3),), [Behind.SAMPLES_UNREAD]),
        ((Stream("a/1", True, 1500),), [Behind.SAMPLES_LATE]),
        ((Stream("a/1", False, 1500), Stream("b/1", True, 0)), [Behind.SAMPLES_UNREAD, Behind.SAMPLES_LATE]),
    ],
)
def test_what_streams_tell(streams, expected):
    assert troubles(redis_server.check_streams(streams)) == expected
