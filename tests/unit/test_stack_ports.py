import socket

import pytest

from services.stack.ports import Endpoint, find_taken
from services.stack.trial import free_ports


@pytest.fixture
def taken_port():
    with socket.socket() as listener:
        # As a gRPC server does: another one could share the port without anybody noticing.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_free_ports_are_no_problem():
    one, two = free_ports(2)
    assert find_taken((Endpoint("127.0.0.1", one, "A"), Endpoint("127.0.0.1", two, "B"))) is None


def test_a_taken_port_is_one_line_with_its_number_and_its_variable(taken_port):
    line = find_taken(
        (Endpoint("127.0.0.1", *free_ports(1), "A"), Endpoint("127.0.0.1", taken_port, "ATTENDANT_HTTP_PORT"))
    )
    assert str(taken_port) in line
    assert "ATTENDANT_HTTP_PORT" in line
    assert "\n" not in line


def test_an_address_of_another_machine_is_one_line_too():
    line = find_taken((Endpoint("192.0.2.1", *free_ports(1), "ATTENDANT_HTTP_PORT"),))
    assert "192.0.2.1" in line
    assert "ATTENDANT_HTTP_PORT" in line


def test_a_port_in_time_wait_is_free():
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as every server does
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = listener.accept()
            accepted.close()  # the server's side closes first, and lingers
            client.recv(1)
    assert find_taken((Endpoint("127.0.0.1", port, "A"),)) is None
