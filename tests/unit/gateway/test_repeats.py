"""What is remembered of requests, against a plain list; and whole gateways that are asked the same bytes again."""

from hypothesis import given
from hypothesis import strategies as st

from attendant.types import CacheStatus, Tweet
from attendant.wire.requests import CacheMode, encode_explain_request
from attendant.wire.responses import decode_explain_response
from services.gateway.repeats import Repeat, Repeats

TWEET = Tweet("what a day", attributes=("sky",))


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=1)), max_size=60), st.integers(1, 5))
def test_the_last_used_are_known(steps, capacity):
    repeats, known = Repeats(capacity), []  # last used last
    for remember, mark in steps:
        if remember:
            repeats.remember(mark, Repeat("sarcasm", "1", mark.hex(), ""))
            known = [*(one for one in known if one != mark), mark][-capacity:]
        else:
            found = repeats.find(mark)
            assert (found is not None) == (mark in known)
            if found is not None:
                assert found.key == mark.hex()
                known = [*(one for one in known if one != mark), mark]


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
