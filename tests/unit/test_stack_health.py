"""How the stack asks whether the gateway is ready."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from services.gateway.config import GatewaySettings
from services.stack.health import HealthProbe, ReadyProbe, build_probe


@pytest.fixture
def operations():
    """A port on which /readyz answers with `status`."""

    class Answer(BaseHTTPRequestHandler):
        status = 503

        def do_GET(self):
            self.send_response(self.status if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_port, Answer
    server.shutdown()
    thread.join()
    server.server_close()


def test_with_tls_the_operations_port_is_asked(operations):
    port, answer = operations
    settings = GatewaySettings(tls_certificate="x", http_host="0.0.0.0", operations_port=port)
    probe = build_probe(settings, "127.0.0.1", 1)
    assert isinstance(probe, ReadyProbe)
    assert not probe()
    answer.status = 200
    assert probe()


def test_nobody_there_is_not_ready():
    assert not ReadyProbe("127.0.0.1", 1)()


def test_without_tls_grpc_is_asked():
    assert isinstance(build_probe(GatewaySettings(), "127.0.0.1", 1), HealthProbe)
