"""What is to be examined: addresses and credentials, as a person gives them."""

import ssl
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from attendant.channels import Tls, join

HTTP_PORT, OPERATIONS_PORT = 8000, 8001
_SINGLE = ("redis", "rediss", "unix")
_MANY = ("redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster")


@dataclass(frozen=True)
class Endpoint:
    """Where gRPC listens: a host and a port, or a Unix socket's path."""

    host: str
    port: int
    path: str = ""

    def at(self, address: str) -> str:
        """What gRPC calls one address of the host."""
        return self.path or join(address, self.port)


@dataclass(frozen=True)
class Deployment:
    """Empty strings: not told. `http`, `operations` and `monitor` are URLs without a path; `seconds` for a call."""

    endpoint: Endpoint
    tls: Tls | None = None
    token: str = ""
    http: str = ""
    operations: str = ""
    monitor: str = ""
    redis: str = ""
    model: str = ""
    seconds: float = 10.0

    def context(self) -> ssl.SSLContext:
        """For connections that are not gRPC's. Raises ValueError where a file holds no certificate or key."""
        tls = self.tls or Tls()
        try:
            context = ssl.create_default_context(cafile=tls.root_certificates)
            if tls.certificate is not None:
                context.load_cert_chain(tls.certificate, tls.key, _no_password)
        except ssl.SSLError:
            raise ValueError(
                "a file of --tls-roots, --tls-certificate and --tls-key holds no certificate, or no key that fits it"
            ) from None
        return context

    def operations_urls(self) -> tuple[str, ...]:
        """Where /metrics and the probes may be, in this order: what was told, else guesses."""
        told = self.operations or self.http
        if told:
            return (told,)
        host = self.endpoint.host
        return (f"http://{join(host, OPERATIONS_PORT)}", *self.http_urls()) if host else ()

    def http_urls(self) -> tuple[str, ...]:
        """Where HTTP/JSON may be."""
        if self.http:
            return (self.http,)
        host, scheme = self.endpoint.host, "http" if self.tls is None else "https"
        return (f"{scheme}://{join(host, HTTP_PORT)}",) if host else ()


def read_endpoint(address: str) -> Endpoint:
    """Of `host:port`, `[::1]:port`, `dns:///host:port` or `unix:path`; raises ValueError."""
    if address.startswith("unix:"):
        return Endpoint("", 0, address)
    host, colon, port = address.removeprefix("dns:///").rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or "/" in host or not (port.isdecimal() and 0 < int(port) < 65536):
        raise ValueError(f"--address {address!r} is no host:port; one looks like 127.0.0.1:50051")
    try:
        host.encode("idna")  # what a look-up would stumble over
    except UnicodeError:
        raise ValueError(
            f"--address {address!r}: the parts of a host's name, between its dots, have 1 to 63 characters"
        ) from None
    return Endpoint(host, int(port))


def read_url(option: str, url: str) -> str:
    """Without a slash at its end. Raises ValueError, which does not show it: there may be a password in it."""
    parts = _split(option, url) if url else None
    if parts is None:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in url or parts.query:
        raise ValueError(f"{option} has to look like http://127.0.0.1:8000: no user, no question mark")
    return url.rstrip("/")


def read_redis(url: str) -> str:
    """Raises ValueError, without the URL, where it is none."""
    parts = _split("--redis", url) if url else None
    if parts is None:
        return ""
    known = ", ".join(f"{scheme}://" for scheme in (*_SINGLE, *_MANY))
    if parts.scheme not in (*_SINGLE, *_MANY):
        raise ValueError(f"--redis has to begin with one of {known}")
    if "@" in parts.path + parts.query + parts.fragment:
        raise ValueError("--redis: write /, ?, # and @ of the password as %2F, %3F, %23 and %40")
    return url


def is_single(url: str) -> bool:
    """Whether the URL names one Redis, not Sentinel or a cluster."""
    return urlsplit(url).scheme in _SINGLE


def redis_place(url: str) -> str:
    """Where it is, without user and password."""
    parts = urlsplit(url)
    return parts.path if parts.scheme == "unix" else join(parts.hostname or "localhost", parts.port or 6379)


def _no_password() -> str:
    """For a key that wants one: OpenSSL would ask at the terminal, and wait."""
    raise ValueError(
        "--tls-key: the key is encrypted; give one without a password, in a file for your eyes only"
    )


def _split(option: str, url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:  # its words show a piece of the URL
        raise ValueError(
            f"{option} is no URL; of a password, /, ?, # and @ are written %2F, %3F, %23 and %40"
        ) from None
    return parts
