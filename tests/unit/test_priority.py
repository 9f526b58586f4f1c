"""Every thread of a worker steps back, as far as the system lets it."""

import errno
import os
import threading

import pytest

from handlers.priority import choose_priority, step_back

POLICY = f"policy {os.SCHED_IDLE}"


@pytest.mark.parametrize(("wanted", "priority"), [(None, "low"), ("low", "low"), ("idle", "idle")])
def test_the_variable_says_how_far(monkeypatch, wanted, priority):
    monkeypatch.delenv("ATTENDANT_SLOW_PRIORITY", raising=False)
    if wanted is not None:
        monkeypatch.setenv("ATTENDANT_SLOW_PRIORITY", wanted)
    assert choose_priority() == priority


@pytest.mark.parametrize("wanted", ["", "IDLE", "10"])
def test_a_wrong_value_names_the_variable(monkeypatch, wanted):
    monkeypatch.setenv("ATTENDANT_SLOW_PRIORITY", wanted)
    with pytest.raises(ValueError, match=f"^ATTENDANT_SLOW_PRIORITY is '{wanted}'; it is one of: low, idle$"):
        choose_priority()


@pytest.fixture
def system(monkeypatch):
    """What is asked of the system is written down; a call may be given an error, for one thread or for all."""
    asked, errors = [], {}

    def answer(name, thread):
        error = errors.get((name, thread), errors.get(name))
        if error is not None:
            raise error
        asked.append((name, thread))
        return 0

    monkeypatch.setattr(os, "getpriority", lambda _, thread: answer("getpriority", thread))
    monkeypatch.setattr(
        os, "setpriority", lambda _, thread, niceness: answer(f"setpriority {niceness}", thread)
    )
    monkeypatch.setattr(
        os, "sched_setscheduler", lambda thread, policy, _: answer(f"policy {policy}", thread)
    )
    return asked, errors


@pytest.fixture
def other_thread():
    done = threading.Event()
    other = threading.Thread(target=done.wait, daemon=True)
    other.start()
    yield other.native_id
    done.set()
    other.join()


def test_low_leaves_the_policy_alone(system, other_thread):
    asked, _ = system
    step_back("low")
    assert {("setpriority 10", os.getpid()), ("setpriority 10", other_thread)} <= set(asked)
    assert POLICY not in {name for name, _ in asked}


@pytest.mark.parametrize("call", ["getpriority", "setpriority 10", POLICY])
def test_a_thread_that_ends_meanwhile_is_passed_over(system, other_thread, call):
    asked, errors = system
    errors[call, os.getpid()] = ProcessLookupError()
    step_back("idle")
    assert (call, other_thread) in asked
    assert (call, os.getpid()) not in asked


@pytest.mark.parametrize("error", [PermissionError(), OSError(errno.EINVAL, "not here")])
def test_where_the_policy_is_refused_the_niceness_counts(system, other_thread, error):
    asked, errors = system
    errors[POLICY] = error
    step_back("idle")
    assert {("setpriority 10", os.getpid()), ("setpriority 10", other_thread)} <= set(asked)
