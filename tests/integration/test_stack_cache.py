"""The stack's own Valkey: there without asking, missed by nobody when it dies."""

import os
import signal
import time
import urllib.request

from attendant.types import CacheStatus, Tweet
from attendant.wire.requests import encode_explain_request
from attendant.wire.responses import decode_explain_response
from services.stack import state


def explain(stack, text):
    return decode_explain_response(
        stack.call("Explain", encode_explain_request("sarcasm", Tweet(text)))
    ).cache


def metric(stack, name):
    with urllib.request.urlopen(f"{stack.http}/metrics", timeout=5) as page:
        lines = page.read().decode().splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} "))


def wait_for_entries(stack, name, value):
    end = time.monotonic() + 10
    while metric(stack, name) != value:
        assert time.monotonic() < end, f"{name} is never {value}"
        time.sleep(0.05)


def test_explanations_are_kept_in_it_and_its_death_fails_nothing(start_stack):
    with start_stack("embedded", ATTENDANT_CACHE_BYTES="0") as stack:
        assert explain(stack, "kept") is CacheStatus.MISS
        time.sleep(0.2)
        assert explain(stack, "kept") is CacheStatus.HIT
        os.kill(state.read(stack.folder).children["Valkey"].pid, signal.SIGKILL)
        for number in range(20):
            assert explain(stack, f"meanwhile {number}") is CacheStatus.MISS
        wait_for_entries(stack, "attendant_cache_breaker_open", 0)
        assert explain(stack, "after") is CacheStatus.MISS
        time.sleep(0.2)
        assert explain(stack, "after") is CacheStatus.HIT
        assert any("Valkey ended by itself (killed by signal 9)" in line for line in stack.output())
