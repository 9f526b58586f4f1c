import itertools

from attendant.analysis.latency import WARM_UP, time_in_turn


def test_both_are_run_in_turn_and_warm_up_is_not_counted():
    order = []
    now = itertools.count()

    def run(name, seconds):
        order.append(name)
        for _ in range(seconds):
            next(now)

    seen = []
    found = time_in_turn(
        lambda: run("this", 1),
        lambda: run("other", 5),
        lambda done, total: seen.append((done, total)),
        rounds=4,
        clock=lambda: next(now),
    )
    assert order == ["this", "other"] * (WARM_UP + 4)
    assert (found.this_ms.value, found.other_ms.value, found.ratio.value) == (2_000, 6_000, 3)
    assert found.ratio.interval == (3, 3)
    assert seen[-1] == (4, 4)
