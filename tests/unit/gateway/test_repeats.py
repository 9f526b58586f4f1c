"""What is remembered of requests, against a plain list; and whole gateways that are asked the same bytes again."""

from hypothesis import given
from hypothesis import strategies as st

from attendant.types import CacheStatus, Tweet
from attendant.wire.requests import CacheMode, encode_explain_request
from attendant.wire.responses import decode_explain_response
from services.gateway.repeats import LARGEST, SHOWN, Repeat, Repeats

TWEET = Tweet("what a day", attributes=("sky",))


def repeat_of(request):
    return Repeat("sarcasm", "1", request.hex(), "")


@given(
    st.lists(st.tuples(st.booleans(), st.binary(max_size=2)), max_size=60),
    st.integers(1, 5),
    st.integers(2, 9),
)
def test_the_last_used_are_known(steps, capacity, most_bytes):
    repeats, known = Repeats(capacity, most_bytes), []  # last used last
    for remember, request in steps:
        if remember:
            repeats.remember(request, repeat_of(request))
            known = [*(one for one in known if one != request), request]
            while len(known) > capacity or sum(map(len, known)) > most_bytes:
                del known[0]
        else:
            found = repeats.find(request)
            assert found == (repeat_of(request) if request in known else None)
            if found is not None:
                known = [*(one for one in known if one != request), request]


@given(st.binary(min_size=8 * SHOWN, max_size=16 * SHOWN), st.data())
def test_requests_that_look_alike_are_told_apart(request_bytes, data):
    place = data.draw(st.integers(0, len(request_bytes) - 1))
    other = bytearray(request_bytes)
    other[place] ^= 1
    repeats = Repeats()
    repeats.remember(request_bytes, repeat_of(request_bytes))
    assert repeats.find(bytes(other)) is None
    repeats.remember(bytes(other), repeat_of(other))
    assert repeats.find(bytes(other)) == repeat_of(other)
    assert repeats.find(request_bytes) in {None, repeat_of(request_bytes)}


def test_a_request_too_large_to_be_kept_drives_out_no_other():
    repeats = Repeats()
    repeats.remember(b"small", repeat_of(b"small"))
    large = bytes(LARGEST + 1)
    repeats.remember(large, repeat_of(b"large"))
    assert repeats.find(large) is None
    assert repeats.find(b"small") == repeat_of(b"small")


async def ask(gateway, request):
    return decode_explain_response(await gateway.call("Explain", request))


async def test_a_request_without_an_id_gets_a_new_one_each_time(gateway):
    request = encode_explain_request("sarcasm", TWEET)
    answers = [await ask(gateway, request) for _ in range(3)]
    assert [answer.cache for answer in answers] == [CacheStatus.MISS, CacheStatus.HIT, CacheStatus.HIT]
    assert len({answer.request_id for answer in answers}) == 3


async def test_a_request_with_an_id_keeps_it(gateway):
    request = encode_explain_request("sarcasm", TWEET, request_id="mine")
    answers = [await ask(gateway, request) for _ in range(3)]
    assert {answer.request_id for answer in answers} == {"mine"}
    assert await gateway.metric('attendant_requests_total{code="OK",method="Explain",model="sarcasm"}') == 3


async def test_a_request_that_was_asked_before_is_computed_anew_where_nothing_is_kept(launch):
    async with launch(cache_bytes=0) as gateway:
        request = encode_explain_request("sarcasm", TWEET)
        answers = [await ask(gateway, request) for _ in range(3)]
        assert {answer.cache for answer in answers} == {CacheStatus.MISS}
        assert len(gateway.worker.rows) == 3


async def test_what_bypasses_or_refreshes_the_cache_does_so_each_time(gateway):
    for mode, status in ((CacheMode.BYPASS, CacheStatus.BYPASS), (CacheMode.REFRESH, CacheStatus.REFRESHED)):
        request = encode_explain_request("sarcasm", TWEET, cache_mode=mode)
        assert {(await ask(gateway, request)).cache for _ in range(3)} == {status}
    assert len(gateway.worker.rows) == 6
