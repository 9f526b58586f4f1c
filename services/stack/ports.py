"""Whether the stack's ports are free, asked before anything starts."""

import errno
import socket
from dataclasses import dataclass


@dataclass(frozen=True)
class Endpoint:
    """An address that the stack will listen on, and the variable that moves it."""

    host: str
    port: int
    variable: str


def find_taken(endpoints: tuple[Endpoint, ...]) -> str | None:
    """One line about the first endpoint that cannot be had, None where all can."""
    for endpoint in endpoints:
        family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As servers do: a port whose last connections linger in TIME_WAIT is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((endpoint.host, endpoint.port))
            except OSError as error:
                return _explain(endpoint, error)
    return None


def _explain(endpoint: Endpoint, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {endpoint.port} on {endpoint.host} is taken; set {endpoint.variable} to move it"
    return f"cannot listen on {endpoint.host}:{endpoint.port} ({error.strerror}); {endpoint.variable} sets it"
