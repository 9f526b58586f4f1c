"""`attendant doctor` before real services, well and broken."""

import asyncio
import json
import os
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from fake_worker import FakeWorker, until
from gateway_process import gateway_process, write_store
from monitor_process import monitor_process, wait
from sample_attention import outcome, random_explanation
from typer.testing import CliRunner
from valkey_server import running_valkey

from attendant.cli.main import app
from attendant.client import AsyncClient
from attendant.doctor import clock, redis_server
from attendant.doctor.deployment import Deployment, read_endpoint
from attendant.doctor.examination import Examination, Means
from attendant.doctor.troubles.advice import Check
from attendant.doctor.troubles.behind import Behind
from attendant.tokens import hash_token
from attendant.types import MODALITIES, ModelRef
from attendant.wire.responses import encode_explain_response
from services.stack import state
from services.stack.trial import free_ports

TLS = Path(__file__).resolve().parents[1] / "data" / "tls"
COMMAND = str(Path(sys.executable).with_name("attendant"))


class GoodWorker(FakeWorker):
    """Answers with all the vectors that the model promises, by the weights that it lists."""

    def response(self, row):
        attention = random_explanation(MODALITIES, 0)
        return encode_explain_response(
            outcome(attention), ModelRef(row.model, row.version, self._digest(row))
        )


@asynccontextmanager
async def working(worker):
    await worker.start()
    try:
        yield worker
    finally:
        await worker.stop()


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch):
    """Several looks at a clock are for differences of a second, and here there are none."""
    monkeypatch.setattr(clock, "PAUSE_SECONDS", 0.0)


def doctor(*arguments, before=(), **variables):
    """In this process: the findings' troubles, the document, and the exit code."""
    clean: dict[str, str | None] = dict.fromkeys(name for name in os.environ if name.startswith("ATTENDANT_"))
    done = CliRunner().invoke(app, [*before, "doctor", *arguments, "--json"], env=clean | variables)
    assert not done.stderr, done.stderr
    return read(done.stdout, done.exit_code)


def program(*arguments):
    """The same of the command itself."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ATTENDANT_")}
    done = subprocess.run(
        [COMMAND, "doctor", *arguments, "--json"],
        env=clean,
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert not done.stderr, done.stderr
    return read(done.stdout, done.returncode)


def read(printed, code):
    document = json.loads(printed)
    return {row["trouble"] for row in document["findings"]} - {None}, document, code


def statuses(document):
    """The worst of each check, which may have several findings."""
    badness = ("skipped", "ok", "warning", "failed")
    rows = sorted(document["findings"], key=lambda row: badness.index(row["status"]))
    return {row["check"]: row["status"] for row in rows}


def seen(document, check):
    return next(row["seen"] for row in document["findings"] if row["check"] == check)


def test_a_whole_stack_is_well(service):
    running = state.read(service.folder)
    assert running is not None
    found, document, code = program(
        *("--address", service.address, "--http", service.http, "--monitor", service.monitor),
        *("--redis", f"unix://{running.scratch}/valkey.sock"),
    )
    assert code == 0, document
    assert found <= {"FAULTS", "OVERLOAD", "NO_REFERENCE", "EXPLAIN_SLOW"}  # of tests that share the stack
    told = statuses(document)
    for check in (
        "name",
        "connection",
        "health",
        "access",
        "models",
        "version",
        "operations",
        "metrics",
        "lanes",
    ):
        assert told[check] == "ok", check
    for check in ("cache", "redis", "redis memory", "samples", "monitor", "clock", "kept answers"):
        assert told[check] == "ok", check
    assert "14 models" in seen(document, "models")
    assert "15 versions answered" in seen(document, "explain")
    assert service.address.rpartition(":")[2] in seen(document, "connection")


def test_nothing_listens():
    (port,) = free_ports(1)
    found, document, code = doctor("--address", f"127.0.0.1:{port}")
    assert (found, code) == ({"NOT_REACHED"}, 1)
    assert statuses(document)["explain"] == "skipped"


async def test_a_gateway_whose_workers_answer_nonsense_and_then_not_at_all(tmp_path):
    async with (
        working(FakeWorker()) as worker,
        gateway_process(write_store(tmp_path), worker.address) as gateway,
    ):
        arguments = ("--address", gateway.address, "--http", gateway.http)
        found, _, code = await asyncio.to_thread(doctor, *arguments)
        assert code == 1
        assert {"DAMAGED", "OTHER_WEIGHTS"} <= found  # the fake has one vector, and weights of its own
        assert "NOT_READY" not in found
        await worker.stop()

        async def down():
            return await gateway.metric('attendant_model_ready{lane="fast",model="sarcasm"}') == 0

        await until(down)
        found, document, code = await asyncio.to_thread(doctor, *arguments)
        assert code == 1
        assert {"NOT_READY", "MODEL_NOT_READY", "PAGE_NOT_READY", "LANE_DOWN"} <= found
        assert statuses(document)["explain"] == "skipped"
        assert seen(document, "operations") == f"{gateway.http}: not ready (503): sarcasm"


async def test_another_thing_than_the_gateways_grpc(tmp_path):
    async with (
        working(FakeWorker()) as worker,
        gateway_process(write_store(tmp_path), worker.address) as gateway,
    ):
        http = gateway.http.removeprefix("http://")
        found, _, code = await asyncio.to_thread(doctor, "--address", http, "--timeout", "2")
    assert code == 1
    assert {"NO_HEALTH", "NO_LIST"} <= found


async def test_redis_with_another_policy_and_then_gone(tmp_path):
    store = write_store(tmp_path)
    with running_valkey(tmp_path / "valkey", "--maxmemory", "64mb") as valkey:
        async with (
            working(GoodWorker()) as worker,
            gateway_process(store, worker.address, ATTENDANT_REDIS_URL=valkey.url) as gateway,
            monitor_process(store, valkey.url, tmp_path / "monitor.log") as monitor,
            AsyncClient(gateway.address) as client,
        ):
            arguments = ("--address", gateway.address, "--http", gateway.http, "--monitor", monitor.http)
            variables = {"ATTENDANT_REDIS_URL": valkey.url}
            await client.explain(text="what a day")
            with redis_server.connect(valkey.url, 1) as redis:
                await until(lambda: bool(redis.exists("attendant:samples")))  # written soon after the answer
            await wait(monitor.leads)
            found, document, code = await asyncio.to_thread(doctor, *arguments, **variables)
            # noeviction, Valkey's own default; the store has no reference
            assert (found - {"NO_REFERENCE"}, code) == ({"OTHER_POLICY"}, 0), document
            assert "1 stream read" in seen(document, "samples")
            valkey.kill()
            await client.explain(text="what a week")  # the gateway finds out
            found, _, code = await asyncio.to_thread(doctor, *arguments, **variables)
            assert code == 1
            assert {"NO_REDIS", "BREAKER_OPEN"} <= found


async def test_a_worker_that_hangs(tmp_path):
    async with (
        working(GoodWorker()) as worker,
        gateway_process(write_store(tmp_path), worker.address) as gateway,
    ):
        arguments = ("--address", gateway.address, "--http", gateway.http)
        worker.gate.clear()
        found, document, code = await asyncio.to_thread(doctor, *arguments, "--timeout", "0.5")
        assert code == 1
        assert "EXPLAIN_LATE" in found, document
        worker.gate.set()
        found, document, code = await asyncio.to_thread(doctor, *arguments)
        assert code == 0, document
        assert "by itself" in seen(document, "monitor")  # without Redis


async def test_tls_and_tokens(tmp_path):
    (tmp_path / "tokens.json").write_text(
        json.dumps([{"name": "app", "models": "*", "sha256": hash_token("right-hunter2")}])
    )
    for name, token in {"right": "right-hunter2", "wrong": "wrong-hunter2"}.items():
        (tmp_path / name).write_text(token)
    (operations,) = free_ports(1)
    async with (
        working(GoodWorker()) as worker,
        gateway_process(
            write_store(tmp_path),
            worker.address,
            ATTENDANT_TLS_CERTIFICATE=str(TLS / "server.pem"),
            ATTENDANT_TLS_KEY=str(TLS / "server.key"),
            ATTENDANT_TOKENS=str(tmp_path / "tokens.json"),
            ATTENDANT_OPERATIONS_PORT=str(operations),
        ) as gateway,
    ):
        arguments = ("--address", gateway.address, "--http", gateway.http)
        arguments += ("--operations", f"http://127.0.0.1:{operations}")
        trusted = ("--tls-roots", str(TLS / "ca.pem"))
        right = (*trusted, "--token-file", str(tmp_path / "right"))
        found, document, code = await asyncio.to_thread(doctor, *arguments, before=right)
        assert (found - {"NO_REFERENCE"}, code) == (set(), 0), document
        told = statuses(document)
        assert {
            told[check] for check in ("TLS", "access", "version", "operations", "metrics", "explain")
        } == {"ok"}
        assert "hunter2" not in json.dumps(document)
        # As inside a pod: by another of the certificate's names, with the token from the environment.
        local = ("--address", gateway.address.replace("127.0.0.1", "localhost"), *arguments[2:])
        found, document, code = await asyncio.to_thread(
            doctor, *local, before=trusted, ATTENDANT_CLIENT_TOKEN="right-hunter2"
        )
        assert (found - {"NO_REFERENCE"}, code) == (set(), 0), document
        for before, trouble in (
            ((*trusted, "--token-file", str(tmp_path / "wrong")), "TOKEN_REFUSED"),
            (trusted, "TOKEN_MISSING"),
            (("--tls-roots", str(TLS / "other-ca.pem")), "TLS_NOT_TRUSTED"),
            ((), "TLS_WANTED"),
        ):
            found, document, code = await asyncio.to_thread(doctor, *arguments, before=before)
            assert code == 1
            assert trouble in found, document
            assert "hunter2" not in json.dumps(document)


@pytest.mark.parametrize(
    ("ahead", "trouble"),
    [(0, None), (10, Behind.CLOCK_DIFFERS), (-10, Behind.CLOCK_DIFFERS), (100, Behind.CLOCK_WRONG)],
)
def test_a_clock_that_is_wrong(service, ahead, trouble):
    running = state.read(service.folder)
    assert running is not None
    deployment = Deployment(
        read_endpoint(service.address),
        http=service.http,
        monitor=service.monitor,
        redis=f"unix://{running.scratch}/valkey.sock",
        model="sarcasm",
    )
    means = Means("0.1.0", now=lambda: time.time() + ahead)
    (finding,) = (one for one in Examination(deployment, means).run() if one.check is Check.CLOCK)
    assert finding.trouble is trouble, finding.seen
    for whose in ("Redis", "the gateway", "the monitor"):
        assert whose in finding.seen


@pytest.mark.parametrize(
    "arguments",
    [("--address", "nonsense"), ("--address", "a..b:50051"), ("--redis", "redis://:hun/ter2@h")],
)
def test_wrong_use(arguments):
    done = CliRunner().invoke(app, ["doctor", *arguments])
    assert done.exit_code == 2
    assert "ter2" not in done.stderr + done.stdout
    assert isinstance(done.exception, SystemExit)  # no traceback


def test_wrong_use_of_the_program():
    command = [COMMAND, "doctor", "--address", "a..b:50051"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "1 to 63 characters" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
