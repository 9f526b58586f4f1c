"""The real stack from start to end: what it says, where it listens, and that nothing of it stays."""

import signal
import urllib.request
from pathlib import Path

import pytest

from attendant.seals import check_archives
from services.stack import state
from services.stack.proc import wait_gone


def listening_hosts(pids: set[int]) -> set[str]:
    """Addresses (hexadecimal, as in /proc/net/tcp) on which these processes listen."""
    inodes = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = str(link.readlink())
            except FileNotFoundError:
                continue
            inodes.add(target.removeprefix("socket:[").rstrip("]"))
    rows = [
        line.split()
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(table).read_text().splitlines()[1:]
    ]
    return {row[1].partition(":")[0] for row in rows if row[3] == "0A" and row[9] in inodes}


def test_it_says_where_it_is_and_what_to_try(service):
    said = "\n".join(service.output())
    assert f"gRPC  {service.address}" in said
    assert f"HTTP  {service.http}" in said
    assert f"--address {service.address}" in said
    with urllib.request.urlopen(f"{service.http}/healthz", timeout=5) as answer:
        assert answer.status == 200


def test_it_listens_on_loopback_only(service):
    hosts = listening_hosts({process.pid for process in service.processes()})
    assert hosts
    assert hosts <= {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


@pytest.mark.parametrize("backend", ["torchserve", "embedded"])
def test_nothing_stays_after_ctrl_c(start_stack, backend):
    with start_stack(backend) as stack:
        processes = stack.processes()
        scratch = Path(state.read(stack.folder).scratch)
        assert len(processes) == (
            9 if backend == "torchserve" else 8
        )  # four workers, the monitor, and Valkey
        stack.supervisor.process.send(signal.SIGINT)
        assert wait_gone(processes, 30)
        assert stack.supervisor.exit_status == 0
        assert stack.output()[-2:] == ["stopping", "stopped"]
        assert not scratch.exists()


@pytest.mark.parametrize("backend", ["torchserve", "embedded"])
def test_no_process_stays_when_the_supervisor_is_killed(start_stack, backend):
    with start_stack(backend) as stack:
        processes = stack.processes()
        stack.supervisor.process.send(signal.SIGKILL)
        assert wait_gone(processes, 30)


def test_a_torchserve_that_is_killed_takes_its_worker_and_the_stack_along(start_stack):
    with start_stack("torchserve") as stack:
        processes = stack.processes()
        state.read(stack.folder).children["TorchServe"].send(signal.SIGKILL)
        assert wait_gone(processes, 30)
        assert stack.supervisor.exit_status == 1
        assert "TorchServe ended by itself (killed by signal 9); the stack stops." in stack.output()


def test_what_ran_is_still_as_it_was_sealed(service, archives):
    """Else it would not start a second time: TorchServe imports the handler from its archive."""
    assert service.workers()
    assert all((archives / name / "__pycache__").is_file() for name in check_archives(archives))
