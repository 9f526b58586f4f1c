"""The way to the gateway: what its name stands for, and whether anybody takes a connection there."""

import socket
from collections.abc import Callable, Iterator, Sequence

from attendant.doctor.deployment import Endpoint
from attendant.doctor.findings import Finding, fine, found, listed
from attendant.doctor.troubles.advice import Check
from attendant.doctor.troubles.door import Door

CONNECT_SECONDS = 3.0  # at most, for one address

Resolve = Callable[[str, int], Sequence[str]]


def resolve(host: str, port: int) -> tuple[str, ...]:
    """The addresses of a host, each once; raises OSError."""
    rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(row[4][0]) for row in rows))


def reach(endpoint: Endpoint, address: str, seconds: float) -> str:
    """Connects and hangs up: empty, or why it could not."""
    try:
        with connect(endpoint, address, min(seconds, CONNECT_SECONDS)):
            return ""
    except OSError as error:
        return "no answer" if isinstance(error, TimeoutError) else (error.strerror or str(error)).lower()


def connect(endpoint: Endpoint, address: str, seconds: float) -> socket.socket:
    """A connection to one address of the endpoint; raises OSError."""
    if not endpoint.path:
        return socket.create_connection((address, endpoint.port), timeout=seconds)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(seconds)
        connection.connect(endpoint.path.removeprefix("unix:").removeprefix("//"))
    except OSError:
        connection.close()
        raise
    return connection


def look_up(endpoint: Endpoint, addresses: Sequence[str] | OSError) -> Iterator[Finding]:
    """What the name stands for."""
    if isinstance(addresses, OSError):
        yield found(Door.NAME_UNKNOWN, f"{endpoint.host}: {addresses.strerror or addresses}")
    elif endpoint.path:
        yield fine(Check.NAME, "a Unix socket")
    elif list(addresses) == [endpoint.host]:
        yield fine(Check.NAME, f"{endpoint.host}, an address")
    else:
        several = f"{len(addresses)} addresses" if len(addresses) > 1 else "1 address"
        yield fine(Check.NAME, f"{endpoint.host} is {several}: {listed(list(addresses))}")


def judge(endpoint: Endpoint, reached: dict[str, str]) -> Iterator[Finding]:
    """`reached`: why each address was not, empty where it was. A family in which nobody answers is not in use."""
    good = [address for address, trouble in reached.items() if not trouble]
    where = endpoint.path or f"port {endpoint.port}"
    if not good:
        said = [f"{endpoint.at(address)}: {trouble}" for address, trouble in reached.items()]
        yield found(Door.NOT_REACHED, listed(said))
        return
    families = {_family(address) for address in good}
    missing = [
        f"{address}: {trouble}"
        for address, trouble in reached.items()
        if trouble and _family(address) in families
    ]
    if missing:
        yield found(
            Door.PARTLY_REACHED, f"{where}: {len(good)} of {len(reached)} addresses; {listed(missing)}"
        )
    else:
        yield fine(
            Check.CONNECTION, f"{where} takes connections" + (f" at {listed(good)}" if good[1:] else "")
        )


def _family(address: str) -> bool:
    return ":" in address
