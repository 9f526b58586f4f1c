"""The name, the connection and TLS, before sockets that are there, are not, or are something else."""

import socket
import ssl
import time
from contextlib import closing

import pytest
from doctor_stand_ins import TLS, Gateway, credentials, standing, trusting

from attendant.channels import Tls
from attendant.doctor import network, tls
from attendant.doctor.deployment import Deployment, Endpoint, read_endpoint, read_redis, read_url, redis_place
from attendant.doctor.troubles.advice import Status
from attendant.doctor.troubles.door import Door

DAY = 86_400


def one(findings):
    (finding,) = findings
    return finding


@pytest.mark.parametrize(
    ("address", "endpoint"),
    [
        ("127.0.0.1:50051", Endpoint("127.0.0.1", 50051)),
        ("dns:///gateway.attendant:50051", Endpoint("gateway.attendant", 50051)),
        ("[::1]:1", Endpoint("::1", 1)),
        ("unix:/tmp/a.sock", Endpoint("", 0, "unix:/tmp/a.sock")),
    ],
)
def test_addresses_are_read(address, endpoint):
    assert read_endpoint(address) == endpoint


@pytest.mark.parametrize("address", ["", "host", "host:", ":1", "host:0", "host:65536", "http://a:1", "a:b"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ValueError, match="--address"):
        read_endpoint(address)


@pytest.mark.parametrize("host", ["a..b", ".a", "a" * 64, f"a.{'b' * 64}.c"])
def test_a_name_that_cannot_be_one_is_refused(host):
    with pytest.raises(ValueError, match="parts of a host's name, between its dots, have 1 to 63") as caught:
        read_endpoint(f"{host}:50051")
    assert "idna" not in str(caught.value)
    assert read_endpoint(f"{'a' * 63}.b.:50051").host.endswith(".b.")


def test_a_key_with_a_password_asks_for_none():
    """At a terminal OpenSSL would, and wait."""
    deployment = Deployment(Endpoint("g", 1), Tls(None, TLS / "client.pem", TLS / "client-encrypted.key"))
    with pytest.raises(ValueError, match="--tls-key: the key is encrypted"):
        deployment.context()
    whole = Deployment(Endpoint("g", 1), Tls(None, TLS / "client.pem", TLS / "client.key"))
    assert whole.context().verify_mode is ssl.CERT_REQUIRED


def test_pages_are_guessed_from_the_address():
    guessed = Deployment(Endpoint("g", 1))
    assert guessed.operations_urls() == ("http://g:8001", "http://g:8000")
    assert guessed.http_urls() == ("http://g:8000",)
    assert Deployment(Endpoint("::1", 1)).http_urls() == ("http://[::1]:8000",)
    told = Deployment(Endpoint("g", 1), http="http://h:1")
    assert (told.operations_urls(), told.http_urls()) == (("http://h:1",), ("http://h:1",))
    assert Deployment(Endpoint("g", 1), operations="http://o:1").operations_urls() == ("http://o:1",)
    assert Deployment(read_endpoint("unix:/x")).operations_urls() == ()


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://a", "http://", "http://u:hunter2@a", "http://a:x"])
def test_what_is_no_url_is_refused_without_being_shown(url):
    with pytest.raises(ValueError, match="--http") as caught:
        read_url("--http", url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["redis://:hun/ter2@h:1", "redis://u:12/hunter2@h:1", "http://:hunter2@h", "redis://:a?hunter2@h"]
)
def test_a_redis_url_that_is_none_is_refused_without_its_password(url):
    with pytest.raises(ValueError, match="--redis") as caught:
        read_redis(url)
    assert "ter2" not in str(caught.value)
    assert "12" not in str(caught.value)


def test_where_redis_is_is_told_without_its_password():
    assert redis_place(read_redis("rediss://user:hunter2@redis:6380/0")) == "redis:6380"
    assert redis_place("redis://:hunter2@redis") == "redis:6379"
    assert redis_place("unix:///run/redis.sock") == "/run/redis.sock"


def test_a_name_that_is_none():
    finding = one(network.look_up(Endpoint("nowhere", 1), OSError(-2, "Name or service not known")))
    assert finding.trouble is Door.NAME_UNKNOWN
    assert "nowhere" in finding.seen


def test_a_name_that_is_several():
    finding = one(network.look_up(Endpoint("gateway", 1), ("10.0.0.1", "10.0.0.2")))
    assert (finding.status, finding.seen) == (Status.OK, "gateway is 2 addresses: 10.0.0.1, 10.0.0.2")


def test_somebody_listens_or_nobody():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = Endpoint("localhost", listener.getsockname()[1])
        assert network.reach(endpoint, "127.0.0.1", 1) == ""
    refused = network.reach(endpoint, "127.0.0.1", 1)
    assert refused == "connection refused"
    assert one(network.judge(endpoint, {"127.0.0.1": refused})).trouble is Door.NOT_REACHED
    assert one(network.judge(endpoint, {"127.0.0.1": ""})).status is Status.OK


def test_a_unix_socket_is_reached(tmp_path):
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        endpoint = read_endpoint(f"unix:{tmp_path / 's'}")
        assert network.reach(endpoint, endpoint.path, 1) == ""
    assert network.reach(endpoint, endpoint.path, 1) == "connection refused"


def test_one_of_several_is_away():
    finding = one(network.judge(Endpoint("g", 1), {"10.0.0.1": "", "10.0.0.2": "no answer"}))
    assert finding.trouble is Door.PARTLY_REACHED
    assert "10.0.0.2: no answer" in finding.seen


def test_a_family_in_which_nobody_listens_is_no_trouble():
    finding = one(network.judge(Endpoint("localhost", 1), {"::1": "connection refused", "127.0.0.1": ""}))
    assert finding.status is Status.OK


def shaken(address, context, now=None):
    endpoint = read_endpoint(address)
    try:
        certificate = tls.shake_hands(endpoint, endpoint.host, context)
    except OSError as error:
        certificate = error
    return one(tls.judge(certificate, time.time() if now is None else now))


def test_a_good_certificate_tells_its_names_and_how_long_it_is_good():
    with standing(Gateway(), credentials=credentials()) as address:
        finding = shaken(address, trusting("ca.pem"))
    assert finding.status is Status.OK
    assert "localhost" in finding.seen
    assert "TLSv1.3" in finding.seen


@pytest.mark.parametrize(
    ("name", "roots", "trouble"),
    [
        ("server", "other-ca.pem", Door.TLS_NOT_TRUSTED),
        ("expired", "expired.pem", Door.TLS_EXPIRED),
        ("future", "future.pem", Door.TLS_NOT_YET),
    ],
)
def test_a_bad_certificate(name, roots, trouble):
    with standing(Gateway(), credentials=credentials(name)) as address:
        assert shaken(address, trusting(roots)).trouble is trouble


def test_a_certificate_for_another_name_tells_which_names_it_has():
    with standing(Gateway(), "127.0.0.2:0", credentials()) as address:
        assert shaken(address, trusting("ca.pem")).trouble is Door.TLS_WRONG_NAME
        endpoint = read_endpoint(address)
        assert "localhost" in tls.other_names(endpoint, endpoint.host, trusting("ca.pem"))


@pytest.mark.parametrize(
    ("days", "trouble"),
    [(15, None), (13.5, Door.TLS_EXPIRES_SOON), (0.5, Door.TLS_EXPIRES_SOON), (-2, Door.TLS_EXPIRED)],
)
def test_how_many_days_are_left(days, trouble):
    certificate = tls.Certificate(("localhost",), 1e9 + days * DAY, "TLSv1.3")
    assert one(tls.judge(certificate, 1e9)).trouble is trouble


def test_a_client_without_a_certificate_is_told_so():
    with standing(Gateway(), credentials=credentials(roots="ca.pem")) as address:
        assert shaken(address, trusting("ca.pem")).trouble is Door.TLS_CLIENT_REFUSED
        context = trusting("ca.pem")
        context.load_cert_chain(TLS / "client.pem", TLS / "client.key")
        assert shaken(address, context).status is Status.OK
        stranger = trusting("ca.pem")
        stranger.load_cert_chain(TLS / "other-client.pem", TLS / "other-client.key")
        assert shaken(address, stranger).trouble is Door.TLS_CLIENT_REFUSED


def test_who_speaks_tls():
    with standing(Gateway(), credentials=credentials(roots="ca.pem")) as address:
        assert tls.speaks_tls(read_endpoint(address), "127.0.0.1")
    with standing(Gateway()) as address:
        assert not tls.speaks_tls(read_endpoint(address), "127.0.0.1")
        assert shaken(address, ssl.create_default_context()).trouble is Door.TLS_NOT_SPOKEN
