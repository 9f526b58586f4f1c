"""TLS and mutual TLS on both protocols, with certificates that change while the gateway runs."""

import asyncio
import ssl
import warnings
from pathlib import Path

import grpc
import httpx
import pytest
import structlog
from fake_worker import until

from attendant.channels import Tls as ClientTls
from attendant.client import AsyncClient, ServiceError
from attendant.errors import Reason
from attendant.tokens import hash_token
from services.gateway import renewal
from services.gateway.config import GatewaySettings
from services.gateway.tls import read_tls
from services.settings import ConfigError

FILES = Path(__file__).resolve().parents[2] / "data" / "tls"
SERVER = {"tls_certificate": FILES / "server.pem", "tls_key": FILES / "server.key"}
MUTUAL = SERVER | {"tls_client_roots": FILES / "ca.pem"}


def client_tls(name="client", roots="ca.pem"):
    own = (FILES / f"{name}.pem", FILES / f"{name}.key") if name else (None, None)
    return ClientTls(FILES / roots, *own)


async def ask_grpc(gateway, tls, **more):
    async with AsyncClient(gateway.server.grpc_address, tls=tls, timeout=5, **more) as client:
        return (await client.predict(text="what a day")).prediction.label


async def ask_http(gateway, tls, path="/healthz", **more):
    context = ssl.create_default_context(cafile=tls.root_certificates)
    if tls.certificate:
        context.load_cert_chain(tls.certificate, tls.key)
    async with httpx.AsyncClient(verify=context, trust_env=False) as client:
        return (await client.get(f"https://{gateway.server.http_address}{path}", **more)).status_code


async def refused_grpc(gateway, tls):
    """A handshake that fails has no status of ours: the client finds nobody."""
    with pytest.raises(ServiceError) as caught:
        async with AsyncClient(gateway.server.grpc_address, tls=tls, timeout=1) as client:
            await client.predict(text="what a day")
    assert caught.value.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
    assert not gateway.worker.rows


async def refused_http(gateway, tls):
    with pytest.raises(httpx.TransportError):
        await ask_http(gateway, tls)


async def test_both_protocols_are_encrypted(launch):
    async with launch(**SERVER) as gateway:
        assert await ask_grpc(gateway, client_tls(name=None)) == "sarcastic"
        assert await ask_http(gateway, client_tls(name=None)) == 200
        gateway.worker.rows.clear()
        await refused_grpc(gateway, client_tls(name=None, roots="other-ca.pem"))
        await refused_http(gateway, client_tls(name=None, roots="other-ca.pem"))
        await refused_grpc(gateway, None)
        with pytest.raises(httpx.TransportError):
            await gateway.http.get("/healthz")


async def test_mutual_tls_asks_for_a_certificate_of_the_right_authority(launch):
    async with launch(**MUTUAL) as gateway:
        for wrong in (client_tls(name=None), client_tls(name="other-client")):
            await refused_grpc(gateway, wrong)
            await refused_http(gateway, wrong)
        assert await ask_grpc(gateway, client_tls()) == "sarcastic"
        assert await ask_http(gateway, client_tls()) == 200


async def test_probes_need_no_certificate_on_the_operations_port(launch):
    async with launch(**MUTUAL, operations_port=0) as gateway:
        base = f"http://{gateway.server.operations_address}"
        async with httpx.AsyncClient(base_url=base, trust_env=False) as probe:
            await until(lambda: ready(probe))
            assert (await probe.get("/healthz")).status_code == 200
            assert "attendant_requests_total" in (await probe.get("/metrics")).text
            for path in ("/v1/models", "/openapi.json", "/docs", "/"):
                assert (await probe.get(path)).status_code == 404
            answer = await probe.post("/v1/models/sarcasm:predict", json={})
            assert answer.status_code == 404
    async with httpx.AsyncClient(base_url=base, trust_env=False) as probe:
        with pytest.raises(httpx.ConnectError):
            await probe.get("/healthz")  # it ends with the gateway


async def ready(probe):
    return (await probe.get("/readyz")).is_success


async def test_there_is_no_operations_port_unless_it_is_asked_for(gateway):
    assert gateway.server.operations_address == ""


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_what_is_older_than_1_2_is_refused(launch, version):
    context = ssl.create_default_context(cafile=FILES / "ca.pem")
    context.set_ciphers("ALL:@SECLEVEL=0")  # else this client would not even try
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with launch(**SERVER) as gateway:
        for address in (gateway.server.http_address, gateway.server.grpc_address):
            host, _, port = address.rpartition(":")
            opening = asyncio.open_connection(host, int(port), ssl=context, server_hostname=host)
            if version is ssl.TLSVersion.TLSv1_1:
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    await opening
            else:
                _, writer = await opening
                assert writer.get_extra_info("ssl_object").version() == version.name.replace("_", ".")
                writer.close()


async def test_the_client_and_its_token_reach_the_service_end_to_end(launch, tmp_path):
    (tmp_path / "tokens.yaml").write_text(
        f"- {{name: app, models: [sarcasm], sha256: {hash_token('s3cret')}}}"
    )
    async with launch(**MUTUAL, tokens=tmp_path / "tokens.yaml") as gateway:
        with pytest.raises(ServiceError) as caught:
            await ask_grpc(gateway, client_tls(), token="wrong")
        assert caught.value.reason is Reason.UNAUTHENTICATED
        assert not gateway.worker.rows
        assert await ask_grpc(gateway, client_tls(), token="s3cret") == "sarcastic"
        headers = {"authorization": "Bearer s3cret"}
        assert await ask_http(gateway, client_tls(), "/v1/models", headers=headers) == 200
        assert await ask_http(gateway, client_tls(), "/v1/models") == 401


# Certificates that change


@pytest.fixture
def mounted(tmp_path):
    """Copies of the files, which `put` exchanges as a mounted secret is exchanged."""

    def put(server="server.pem", key="server.key", roots="ca.pem"):
        for name, source in {"tls.crt": server, "tls.key": key, "ca.crt": roots}.items():
            (tmp_path / f".{name}").write_bytes((FILES / source).read_bytes())
        for name in ("tls.crt", "tls.key", "ca.crt"):
            (tmp_path / f".{name}").replace(tmp_path / name)

    put()
    put.settings = {
        "tls_certificate": tmp_path / "tls.crt",
        "tls_key": tmp_path / "tls.key",
        "tls_client_roots": tmp_path / "ca.crt",
    }
    return put


async def test_a_renewed_certificate_counts_and_a_broken_one_does_not(launch, mounted, monkeypatch):
    monkeypatch.setattr(renewal, "INTERVAL", 0.02)
    old, new = client_tls(), client_tls("other-client", "other-ca.pem")
    with structlog.testing.capture_logs() as lines:
        async with launch(**mounted.settings) as gateway:
            async with AsyncClient(gateway.server.grpc_address, tls=old, timeout=5) as open_before:
                await open_before.predict(text="what a day")
                mounted("other-server.pem", "other-server.key", "other-ca.pem")
                await until(lambda: any(line["event"] == "certificate renewed" for line in lines))
                assert await ask_grpc(gateway, new) == "sarcastic"
                assert await ask_http(gateway, new) == 200
                gateway.worker.rows.clear()
                await refused_grpc(gateway, old)
                await refused_http(gateway, old)
                await open_before.predict(text="what a day")  # a connection that stands is not cut

            mounted("server.pem", "other-server.key", "other-ca.pem")
            complaint = "cannot be renewed, the old one stays"
            await until(lambda: any(line["event"] == complaint for line in lines))
            await asyncio.sleep(0.2)
            assert await ask_grpc(gateway, new) == "sarcastic"
            assert await ask_http(gateway, new) == 200
    (told,) = [line for line in lines if line["event"] == complaint]  # once, however often it is looked at
    assert told["log_level"] == "error"
    assert told["reason"] == "ATTENDANT_TLS_KEY: the key does not fit ATTENDANT_TLS_CERTIFICATE"


# The start


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"tls_key": FILES / "server.key"}, "ATTENDANT_TLS_CERTIFICATE is missing"),
        ({"tls_certificate": FILES / "server.pem"}, "ATTENDANT_TLS_KEY is missing"),
        ({"tls_client_roots": FILES / "ca.pem"}, "ATTENDANT_TLS_CLIENT_ROOTS needs"),
        (
            SERVER | {"tls_certificate": Path("no.pem")},
            "ATTENDANT_TLS_CERTIFICATE: cannot read no.pem: No such",
        ),
        (SERVER | {"tls_key": Path("no.key")}, "ATTENDANT_TLS_KEY: cannot read no.key: No such file"),
        (MUTUAL | {"tls_client_roots": Path("no")}, "ATTENDANT_TLS_CLIENT_ROOTS: cannot read no: No such"),
        (SERVER | {"tls_certificate": FILES}, "ATTENDANT_TLS_CERTIFICATE: cannot read"),
        (SERVER | {"tls_certificate": FILES / "server.key"}, "ATTENDANT_TLS_CERTIFICATE: there is no cert"),
        (SERVER | {"tls_key": FILES / "server.pem"}, "ATTENDANT_TLS_KEY: there is no private key in it"),
        (SERVER | {"tls_key": FILES / "other-server.key"}, "ATTENDANT_TLS_KEY: the key does not fit"),
        (MUTUAL | {"tls_client_roots": FILES / "README.md"}, "ATTENDANT_TLS_CLIENT_ROOTS: there is no cert"),
    ],
)
def test_files_that_cannot_be_used_are_one_line_that_names_the_setting(settings, says):
    with pytest.raises(ConfigError) as caught:
        read_tls(GatewaySettings(**settings))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_encrypted_key_is_refused_without_asking_for_its_passphrase(tmp_path):
    key = tmp_path / "tls.key"
    key.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
    with pytest.raises(ConfigError, match="ATTENDANT_TLS_KEY: the key is encrypted"):
        read_tls(GatewaySettings(**SERVER | {"tls_key": key}))


def test_without_settings_there_is_no_tls():
    assert read_tls(GatewaySettings()) is None


def test_what_stands_between_certificates_may_be_in_any_script(tmp_path):
    authorities = tmp_path / "ca.pem"
    authorities.write_text("# Prüfstelle 認証局 …\n" + (FILES / "ca.pem").read_text(), encoding="utf-8")
    assert read_tls(GatewaySettings(**MUTUAL | {"tls_client_roots": authorities})) is not None
