"""Tokens in the gateway: who is let in, that guessing teaches nothing, rates, and files that change."""

import asyncio
import contextlib
import hmac
import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attendant.errors import AttendantError, Reason
from attendant.tokens import hash_token
from services.gateway.access import Access, Bucket, act_for, check_model, may_use, read_access
from services.gateway.config import GatewaySettings
from services.settings import ConfigError

TODAY = date(2026, 11, 22)


def entry(name, **more):
    return {"name": name, "sha256": hash_token(name), "models": "*"} | more


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def build(tmp_path, clock):
    """Access to a file with these entries; the token of an entry is its name."""

    def build(*entries):
        write(tmp_path, *entries)
        return Access(tmp_path / "tokens.json", clock, lambda: TODAY)

    return build


def write(folder, *entries):
    (folder / "tokens.json").write_text(json.dumps(entries))


def refused(access, *authorization):
    with pytest.raises(AttendantError) as caught:
        access.identify(authorization)
    return caught.value


def test_a_token_is_known_by_its_hash(build):
    access = build(entry("a"), entry("b"), entry("c"))
    for name in "abc":
        assert access.identify([f"Bearer {name}"]).name == name
    assert access.identify(["bearer  a "]).name == "a"


def test_without_a_file_nobody_is_asked(clock):
    access = Access(None, clock)
    assert access.identify([]) is None
    access.spend(None)
    assert may_use("anything")


@pytest.mark.parametrize(
    "authorization",
    [
        (),
        ("",),
        ("Bearer",),
        ("Bearer ",),
        ("Basic a",),
        ("a",),
        ("Bearer wrong",),
        ("Bearer old",),
        ("Bearer a", "Bearer a"),
        (f"Bearer {hash_token('a')}",),  # what is at rest opens nothing
        ("Bearer \ud800",),
    ],
)
def test_missing_malformed_wrong_and_expired_are_told_the_same(build, authorization):
    access = build(entry("a"), entry("old", expires="2026-11-21"))
    error = refused(access, *authorization)
    assert error.reason is Reason.UNAUTHENTICATED
    assert error.message == refused(access, "Bearer anything").message
    assert error.metadata == {}


def test_a_token_is_good_on_its_last_day(build):
    assert build(entry("a", expires="2026-11-22")).identify(["Bearer a"]).name == "a"


def test_the_hash_of_nothing_opens_nothing(build):
    access = build(entry("a") | {"sha256": hash_token("")})
    for authorization in ((), ("Bearer ",), ("",)):
        assert refused(access, *authorization).reason is Reason.UNAUTHENTICATED


@pytest.mark.parametrize("authorization", [(), ("Bearer a",), ("Bearer e",), ("Bearer wrong",), ("Basic x",)])
def test_whatever_was_sent_is_compared_with_every_entry(build, monkeypatch, authorization):
    """No timing oracle: all comparisons are made, in constant time, between digests of one length."""
    access = build(*(entry(name) for name in "abcde"))
    compared = []
    real = hmac.compare_digest
    monkeypatch.setattr(
        "services.gateway.access.hmac.compare_digest",
        lambda known, sent: compared.append((known.hex(), len(sent))) or real(known, sent),
    )
    with contextlib.suppress(AttendantError):
        access.identify(authorization)
    assert compared == [(hash_token(name), 32) for name in "abcde"]


def test_models_are_the_callers(build):
    access = build(entry("a", models=["sarcasm"]))
    act_for(access.identify(["Bearer a"]))
    try:
        check_model("sarcasm")
        for model in ("irony", "no such model", ""):
            assert not may_use(model)
            with pytest.raises(AttendantError) as caught:
                check_model(model)
            assert caught.value.reason is Reason.FORBIDDEN
    finally:
        act_for(None)


# Rates


def test_beyond_its_rate_a_token_is_told_when_to_come_back(build, clock):
    access = build(entry("a", requests_per_second=2, burst=3), entry("b", requests_per_second=0.5))
    a, b = (access.identify([f"Bearer {name}"]) for name in "ab")
    for _ in range(3):
        access.spend(a)
    with pytest.raises(AttendantError) as caught:
        access.spend(a)
    assert caught.value.reason is Reason.RATE_LIMITED
    assert caught.value.retry_after == pytest.approx(0.5)
    access.spend(b)  # a bucket each
    with pytest.raises(AttendantError) as caught:
        access.spend(b)
    assert caught.value.retry_after == pytest.approx(2)
    clock.now += 0.5
    access.spend(a)


@given(
    rate=st.floats(0.1, 1000),
    burst=st.integers(1, 100),
    gaps=st.lists(st.floats(0, 5), max_size=50),
)
def test_never_more_than_the_burst_and_the_rate(rate, burst, gaps):
    clock = Clock()
    bucket = Bucket(rate, burst, clock)
    taken = 0
    for gap in gaps:
        clock.now += gap
        waits = bucket.take()
        taken += not waits
        assert taken <= burst + rate * clock.now + 1e-6
        if waits:
            clock.now += waits + 1e-9
            assert bucket.take() == 0
            taken += 1


async def test_items_of_a_stream_wait_for_their_turn(build, clock):
    access = build(entry("a", requests_per_second=20, burst=1))
    act_for(access.identify(["Bearer a"]))
    ending = asyncio.Event()
    try:
        await access.next_item(ending)
        started = asyncio.get_running_loop().time()
        await asyncio.gather(access.next_item(ending), access.next_item(ending))
        assert asyncio.get_running_loop().time() - started >= 0.099
        asyncio.get_running_loop().call_later(0.01, ending.set)
        with pytest.raises(AttendantError) as caught:
            await access.next_item(ending)
        assert caught.value.reason is Reason.RATE_LIMITED
    finally:
        act_for(None)


async def test_an_item_that_leaves_gives_its_turn_back(build, clock):
    access = build(entry("a", requests_per_second=0.1, burst=1))
    caller = access.identify(["Bearer a"])
    act_for(caller)
    try:
        await access.next_item(asyncio.Event())
        waiting = [asyncio.create_task(access.next_item(asyncio.Event())) for _ in range(16)]
        await asyncio.sleep(0)
        for item in waiting:
            item.cancel()
        await asyncio.wait(waiting)
        clock.now += 10
        access.spend(caller)
    finally:
        act_for(None)


async def test_items_of_a_stream_follow_the_file(build, tmp_path):
    access = build(entry("a", models=["sarcasm"]), entry("b"))
    act_for(access.identify(["Bearer a"]))
    try:
        write(tmp_path, entry("a", models=["irony"]), entry("b"))
        access.renew()
        await access.next_item(asyncio.Event())
        assert may_use("irony")
        assert not may_use("sarcasm")
        write(tmp_path, entry("b"))
        access.renew()
        with pytest.raises(AttendantError) as caught:
            await access.next_item(asyncio.Event())
        assert caught.value.reason is Reason.UNAUTHENTICATED
    finally:
        act_for(None)


# Files that change


def test_a_new_file_counts_and_a_broken_one_does_not(build, tmp_path):
    access = build(entry("a"))
    write(tmp_path, entry("b"))
    assert access.identify(["Bearer a"])
    access.renew()
    assert access.identify(["Bearer b"])
    assert refused(access, "Bearer a")
    for broken in ("[", '[{"name": "b"}]', None):
        if broken is None:
            (tmp_path / "tokens.json").unlink()
        else:
            (tmp_path / "tokens.json").write_text(broken)
        with pytest.raises(ConfigError, match=r"^ATTENDANT_TOKENS: .*tokens\.json"):
            access.renew()
        assert access.identify(["Bearer b"])
    write(tmp_path)
    access.renew()
    assert refused(access, "Bearer b")  # an empty list is nobody, not everybody


def test_what_was_spent_stays_spent_over_a_change(build, tmp_path):
    limited = entry("a", requests_per_second=1, burst=1)
    access = build(limited)
    access.spend(access.identify(["Bearer a"]))
    write(tmp_path, limited, entry("b"))
    access.renew()
    with pytest.raises(AttendantError):
        access.spend(access.identify(["Bearer a"]))


# The start


@pytest.mark.parametrize("content", [None, "[", '[{"name": "b"}]'])
def test_a_file_that_cannot_be_used_stops_the_start(tmp_path, content):
    path = tmp_path / "tokens.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        read_access(GatewaySettings(tokens=path))
    assert str(caught.value).startswith("ATTENDANT_TOKENS: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("host", ["grpc_host", "http_host"])
def test_tokens_do_not_cross_a_network_in_the_open(build, tmp_path, host):
    build(entry("a"))
    tokens = tmp_path / "tokens.json"
    with pytest.raises(
        ConfigError, match=rf"ATTENDANT_{host.upper()}=0.0.0.0; set ATTENDANT_TLS_CERTIFICATE"
    ):
        read_access(GatewaySettings(tokens=tokens, **{host: "0.0.0.0"}))
    for settings in ({"tokens_without_tls": True}, {"tls_certificate": tokens, "tls_key": tokens}):
        read_access(GatewaySettings(tokens=tokens, **{host: "0.0.0.0"}, **settings))
    for local in ("127.0.0.1", "127.1.2.3", "::1", "localhost"):
        read_access(GatewaySettings(tokens=tokens, **{host: local}))
