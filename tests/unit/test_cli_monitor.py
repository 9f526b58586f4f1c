"""`attendant monitor` before something that answers like a monitor, or unlike one."""

import json
import threading
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from watched_store import EVERYTHING, IRONY, SARCASM, TEXT, digest_of, draw, write_watched_store

from attendant.cli import monitor
from attendant.cli.console import Commands
from services.monitor.documents import drift_document
from services.monitor.references import read_references
from services.monitor.watch import Watch

app = typer.Typer(cls=Commands)
app.command()(monitor.monitor)
app.command("other")(lambda: None)


def run(*arguments):
    """The exit code, and what was printed: on stdout and on stderr."""
    with (
        redirect_stdout(StringIO()) as out,
        redirect_stderr(StringIO()) as err,
        pytest.raises(SystemExit) as stopped,
    ):
        app(["monitor", *arguments])
    return stopped.value.code or 0, out.getvalue(), err.getvalue()


@contextmanager
def answering(content, status=200):
    """An address where every question has this answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status if self.path == "/drift" else 404)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    """As a monitor gives it."""
    references = read_references(write_watched_store(tmp_path_factory.mktemp("store")))
    watch, silent = Watch(SARCASM, references, 50.0), Watch(IRONY, references, 50.0)
    with capture_logs():
        watch.add([(digest_of(), draw((TEXT,), 2500, 1, drift=1.0)), (digest_of(), draw(EVERYTHING, 300, 2))])
    return drift_document([watch.snapshot(), silent.snapshot()])


def test_a_page_says_where_every_set_stands(document, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    with answering(json.dumps(document).encode()) as address:
        code, out, err = run("--once", "--address", address)
    assert (code, err) == (0, "")
    assert "sarcasm 1" in out
    assert "text  watching  2,500 explanations, against 800" in out
    assert "mix  watching  2,800 explanations, against 2,000" in out
    assert "12 compared, 100 of 200 in the next" in out
    assert "alarms, the last for" in out
    assert "weight and impact" in out
    assert "nothing explained yet: irony 1" in out


def test_the_page_of_a_pipe_ends_by_itself(document):
    with answering(json.dumps(document).encode()) as address:
        code, out, _ = run("--address", address + "/")
    assert code == 0
    assert "sarcasm 1" in out


def test_json_is_what_the_monitor_says(document):
    with answering(json.dumps(document).encode()) as address:
        code, out, _ = run("--json", "--address", address)
    assert code == 0
    assert json.loads(out) == document


def test_it_looks_again_until_it_is_stopped(document, monkeypatch):
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(monitor.time, "sleep", pause)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    with answering(json.dumps(document).encode()) as address:
        code, out, _ = run("--address", address)
    assert code == 0
    assert len(pauses) == 3
    assert out.count("sarcasm 1") >= 3


@pytest.mark.parametrize(
    ("content", "status", "says"),
    [
        (b"{}", 404, "no monitor answers at"),
        (b"no json", 200, "no monitor answers at"),
        (b"[]", 200, "is no monitor"),
        (b'{"versions": [{"model": "m"}]}', 200, "is no monitor of this version"),
    ],
)
def test_what_is_no_monitor_is_one_line(content, status, says):
    with answering(content, status) as address:
        code, out, err = run("--once", "--address", address)
    assert code == 1
    assert out == ""
    assert says in err.splitlines()[0]
    assert err.splitlines()[0].startswith("error: ")
    assert "docs/monitoring.md" in err


def test_nobody_there_is_one_line():
    with answering(b"") as address:
        pass
    code, _, err = run("--once", "--address", address)
    assert code == 1
    assert err.splitlines()[0] == f"error: no monitor answers at {address}: Connection refused"


def test_an_address_without_a_scheme_is_wrong_use():
    code, _, err = run("--address", "127.0.0.1:8083")
    assert code == 2
    assert "one looks like http://127.0.0.1:8083" in err


def test_the_address_may_stand_in_the_environment(document, monkeypatch):
    with answering(json.dumps(document).encode()) as address:
        monkeypatch.setenv("ATTENDANT_MONITOR_ADDRESS", address)
        assert run("--once")[0] == 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40)
@given(JSON, st.sampled_from(["versions", "sets", "windows", "streams", "last_alarm", "correlations"]))
def test_whatever_stands_in_a_place_it_is_a_page_or_an_error(document, value, place):
    def change(part):
        if isinstance(part, dict):
            return {key: value if key == place else change(inner) for key, inner in part.items()}
        return [change(inner) for inner in part] if isinstance(part, list) else part

    try:
        monitor._page(monitor._read(change(document), "http://a"))
    except monitor.MonitorError as error:
        assert "\n" not in error.message  # noqa: PT017
