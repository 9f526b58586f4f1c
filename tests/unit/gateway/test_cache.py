"""The LRU against a plain list."""

from collections import OrderedDict

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.cache import ENTRY_OVERHEAD, LruCache


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("get"), st.sampled_from("abcdef")),
        st.tuples(st.just("set"), st.sampled_from("abcdef"), st.binary(max_size=1200)),
        st.tuples(st.just("wait"), st.floats(0, 6)),
    ),
    max_size=60,
)


@given(STEPS)
def test_it_holds_the_last_used_entries_that_fit_and_are_not_old(steps):
    clock, capacity = Clock(), 4 * ENTRY_OVERHEAD + 1000
    cache = LruCache(capacity, 10.0, clock)
    model: OrderedDict[str, tuple[float, bytes]] = OrderedDict()  # oldest use first
    for step in steps:
        match step:
            case "wait", seconds:
                clock.now += seconds
            case "set", key, value:
                cache.set(key, value)
                model.pop(key, None)
                model[key] = (clock.now, value)
                while sum(len(value) + ENTRY_OVERHEAD for _, value in model.values()) > capacity:
                    # An entry larger than the whole cache is not kept, and pushes nothing out.
                    too_large = len(value) + ENTRY_OVERHEAD > capacity
                    model.popitem(last=too_large)
            case "get", key:
                expected = model.get(key)
                if expected and clock.now - expected[0] >= 10:
                    del model[key]
                    expected = None
                elif expected:
                    model.move_to_end(key)
                assert cache.get(key) == (expected[1] if expected else None)
        assert cache.size == sum(len(value) + ENTRY_OVERHEAD for _, value in model.values()) <= capacity


def test_a_cache_of_no_bytes_keeps_nothing():
    cache = LruCache(0, 10.0, Clock())
    cache.set("a", b"")
    assert cache.get("a") is None
    assert cache.size == 0


def test_an_entry_that_was_computed_elsewhere_keeps_its_age():
    clock = Clock()
    cache = LruCache(10_000, 10.0, clock)
    cache.set("young", b"a", age=4.0)
    cache.set("old", b"b", age=10.0)
    assert (cache.get("young"), cache.get("old")) == (b"a", None)
    clock.now = 6.0
    assert cache.get("young") is None
