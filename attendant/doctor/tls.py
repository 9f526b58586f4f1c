"""TLS as the gateway speaks it: trusted, for this name, and for how long still."""

import contextlib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

from attendant.doctor.deployment import Endpoint
from attendant.doctor.findings import Finding, counted, fine, found, listed
from attendant.doctor.network import CONNECT_SECONDS, connect
from attendant.doctor.troubles.advice import Check
from attendant.doctor.troubles.door import Door

SOON_DAYS = 14
_DAY = 86_400
# OpenSSL's X509_V_ERR_…
_NOT_YET, _EXPIRED, _OTHER_HOST, _OTHER_IP = 9, 10, 62, 64
_REFUSED = {
    _NOT_YET: Door.TLS_NOT_YET,
    _EXPIRED: Door.TLS_EXPIRED,
    _OTHER_HOST: Door.TLS_WRONG_NAME,
    _OTHER_IP: Door.TLS_WRONG_NAME,
}


class HungUpError(OSError):
    """The handshake succeeded, and the server ended the connection: with TLS 1.3 it looks at our certificate last."""


@dataclass(frozen=True)
class Certificate:
    """`ends` is when, in seconds since the epoch."""

    names: tuple[str, ...]
    ends: float
    protocol: str


def shake_hands(endpoint: Endpoint, address: str, context: ssl.SSLContext) -> Certificate:
    """Raises ssl.SSLError or OSError. A server that does not take our certificate says so only when it is read from."""
    context.set_alpn_protocols(["h2"])
    name = endpoint.host or "localhost"
    with (
        connect(endpoint, address, CONNECT_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=name) as encrypted,
    ):
        shown, protocol = encrypted.getpeercert() or {}, encrypted.version() or "TLS"
        _wait_for_settings(encrypted)
    names = tuple(str(pair[1]) for pair in shown.get("subjectAltName", ()))
    ends = shown.get("notAfter")
    return Certificate(names, ssl.cert_time_to_seconds(ends) if isinstance(ends, str) else 0.0, protocol)


def _wait_for_settings(encrypted: ssl.SSLSocket) -> None:
    """HTTP/2 begins with the server's settings; raises HungUpError where the server ends it there."""
    try:
        first = encrypted.recv(1)
    except TimeoutError:
        return
    except ConnectionError:
        first = b""
    if not first:
        raise HungUpError


def judge(certificate: Certificate | OSError, now: float) -> Iterator[Finding]:
    """`now` in seconds since the epoch."""
    if isinstance(certificate, OSError):
        yield _refused(certificate)
        return
    days = (certificate.ends - now) / _DAY
    names = listed(list(certificate.names))
    if days < 0:
        yield found(Door.TLS_EXPIRED, f"for {names}; it ended {counted(int(-days), 'day')} ago")
    elif days < SOON_DAYS:
        yield found(Door.TLS_EXPIRES_SOON, f"for {names}; it ends in {counted(int(days), 'day')}")
    else:
        yield fine(Check.TLS, f"{certificate.protocol}, for {names}, for another {counted(int(days), 'day')}")


def other_names(endpoint: Endpoint, address: str, context: ssl.SSLContext) -> tuple[str, ...]:
    """The names in a certificate that is trusted, but not for this name."""
    context.check_hostname = False
    with contextlib.suppress(OSError):
        return shake_hands(endpoint, address, context).names
    return ()


def speaks_tls(endpoint: Endpoint, address: str) -> bool:
    """Whether a handshake succeeds with somebody who trusts anybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with connect(endpoint, address, CONNECT_SECONDS) as plain, context.wrap_socket(plain):
            return True
    except OSError as error:
        return "ALERT" in (getattr(error, "reason", "") or "")  # it answered in TLS


def is_other_name(error: OSError) -> bool:
    return getattr(error, "verify_code", None) in (_OTHER_HOST, _OTHER_IP)


def _refused(error: OSError) -> Finding:
    if isinstance(error, ssl.SSLCertVerificationError):
        return found(_REFUSED.get(error.verify_code, Door.TLS_NOT_TRUSTED), error.verify_message)
    reason = str(getattr(error, "reason", "") or "").lower().replace("_", " ")
    if "alert" in reason and ("certificate" in reason or "unknown ca" in reason):
        return found(Door.TLS_CLIENT_REFUSED, reason)
    if isinstance(error, HungUpError):
        return found(Door.TLS_CLIENT_REFUSED, "it hangs up after the handshake")
    return found(Door.TLS_NOT_SPOKEN, reason or error.strerror or "no answer to the handshake")
