"""TLS for both protocols from one set of PEM files, looked at again while the gateway runs."""

import contextlib
import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import structlog

from services.gateway.config import GatewaySettings
from services.settings import ConfigError

log = structlog.get_logger()

CERTIFICATE, KEY, CLIENT_ROOTS = (
    "ATTENDANT_TLS_CERTIFICATE",
    "ATTENDANT_TLS_KEY",
    "ATTENDANT_TLS_CLIENT_ROOTS",
)


@dataclass(frozen=True)
class Identity:
    """PEM: who the gateway is, and, for mutual TLS, the authorities whose clients it takes."""

    certificate: bytes
    key: bytes
    client_roots: bytes | None = None

    def context(self) -> ssl.SSLContext:
        """For HTTP. Raises ConfigError that names the setting whose file cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        # Every connection shows its certificate anew: one whose authority is no longer trusted resumes nothing.
        context.num_tickets = 0
        context.options |= ssl.OP_NO_TICKET
        _add_authorities(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self.certificate, CERTIFICATE)
        self._load_chain(context)
        if self.client_roots is not None:
            _add_authorities(context, self.client_roots, CLIENT_ROOTS)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def configuration(self) -> grpc.ServerCertificateConfiguration:
        """For gRPC."""
        return grpc.ssl_server_certificate_configuration([(self.key, self.certificate)], self.client_roots)

    def _load_chain(self, context: ssl.SSLContext) -> None:
        if b"ENCRYPTED" in self.key:
            raise ConfigError(f"{KEY}: the key is encrypted; give one without a passphrase")
        try:
            with _in_memory(self.certificate) as certificate, _in_memory(self.key) as key:
                context.load_cert_chain(certificate, key)
        except ssl.SSLError as error:
            misfit = error.reason == "KEY_VALUES_MISMATCH"
            what = f"the key does not fit {CERTIFICATE}" if misfit else "there is no private key in it"
            raise ConfigError(f"{KEY}: {what}") from None


class Tls:
    """The identity in the files. A renewed one counts for connections from then on, in both protocols."""

    def __init__(self, certificate: Path, key: Path, client_roots: Path | None = None) -> None:
        self._files = (certificate, key, client_roots)
        self._identity = self._read()
        self._context = self._identity.context()

    def renew(self) -> None:
        """Look at the files again. Raises ConfigError where they cannot be used; then the identity stays as it was."""
        identity = self._read()
        if identity != self._identity:
            context = identity.context()
            self._context, self._identity = context, identity
            log.info("certificate renewed")

    def http_context(self) -> ssl.SSLContext:
        """For the listener. A handshake goes on under the newest identity, whatever this context began with."""
        listening = self._identity.context()

        def take_newest(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
            connection.context = self._context

        listening.sni_callback = take_newest
        return listening

    def grpc_credentials(self) -> grpc.ServerCredentials:
        """For one server: gRPC asks at each handshake whether there is something new."""
        known = self._identity

        def take_news() -> grpc.ServerCertificateConfiguration | None:
            nonlocal known
            newest = self._identity
            if newest is known:
                return None
            known = newest
            return newest.configuration()

        return grpc.dynamic_ssl_server_credentials(
            known.configuration(),
            take_news,  # type: ignore[arg-type] # None, for nothing new, is missing in its types
            require_client_authentication=known.client_roots is not None,
        )

    def _read(self) -> Identity:
        certificate, key, client_roots = self._files
        return Identity(
            _read_file(certificate, CERTIFICATE),
            _read_file(key, KEY),
            None if client_roots is None else _read_file(client_roots, CLIENT_ROOTS),
        )


def read_tls(settings: GatewaySettings) -> Tls | None:
    """What the settings ask for, None without TLS. Raises ConfigError."""
    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate is None and key is None:
        if settings.tls_client_roots is not None:
            raise ConfigError(f"{CLIENT_ROOTS} needs {CERTIFICATE} and {KEY}")
        return None
    if certificate is None or key is None:
        raise ConfigError(f"{CERTIFICATE} and {KEY} go together: {CERTIFICATE if key else KEY} is missing")
    return Tls(certificate, key, settings.tls_client_roots)


def _read_file(path: Path, variable: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{variable}: cannot read {path}: {error.strerror}") from None


def _add_authorities(context: ssl.SSLContext, pem: bytes, variable: str) -> None:
    # Between certificates anything may stand, names in any script: all but ASCII is a TypeError.
    try:
        context.load_verify_locations(cadata=pem.decode("ascii", errors="ignore"))
    except (ssl.SSLError, ValueError):
        raise ConfigError(f"{variable}: there is no certificate in it, or a broken one") from None


@contextlib.contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """A path to read the content from. What was checked is what is loaded, and no key is written to a disk."""
    descriptor = os.memfd_create("attendant")
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
