"""Fixtures for every tier."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Before anything imports torch: OpenMP threads that wait for a busy core spin, and a training of 3 s takes minutes.
os.environ.setdefault("OMP_NUM_THREADS", "1")
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real data that lies beside the repository, `../shared/data`; a test that needs it is skipped without."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"needs the data in {folder.relative_to(ROOT.parent)} beside the repository")
    return folder


# Every test that uses one of these runs in one and the same xdist worker: stacks are started once, not once a worker.
# One that starts all it needs by itself has a group of its own.
_STACK_FIXTURES = {"archives", "service", "services", "start_stack"}


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items):
    for item in items:
        own = item.get_closest_marker("xdist_group")
        if own is None and _STACK_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.xdist_group("stacks"))


@pytest.fixture(scope="session")
def archives() -> Path:
    """build/archives, up to date."""
    from current_archives import current_archives

    return current_archives()


@pytest.fixture(scope="session")
def _running(archives, tmp_path_factory):
    """Running stacks by backend, each started when it is first asked for."""
    from services.stack.trial import RunningStack

    started: dict[str, RunningStack] = {}

    def running(backend: str) -> RunningStack:
        if backend not in started:
            started[backend] = RunningStack(backend, archives, tmp_path_factory.mktemp(backend))
        return started[backend]

    yield running
    for stack in started.values():
        stack.stop()


@pytest.fixture(scope="session", params=["torchserve", "embedded"])
def service(request, _running):
    """A running service, with each backend in turn. Shared: leave it as you found it."""
    return _running(request.param)


@pytest.fixture(scope="session")
def services(_running):
    """Both at once."""
    return _running("torchserve"), _running("embedded")


@pytest.fixture
def start_stack(archives, tmp_path):
    """`with start_stack(backend) as stack:` is a stack of the test's own, to be mistreated."""
    from functools import partial

    from services.stack.trial import running_stack

    return partial(running_stack, archives=archives, folder=tmp_path / "stack")
