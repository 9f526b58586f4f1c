"""Health, access, models and replicas, as gateways tell them."""

from dataclasses import replace

import grpc
import pytest
from canned_service import DESCRIPTION
from doctor_stand_ins import Gateway, ToldGateway, standing

from attendant.doctor import service
from attendant.doctor.line import DamagedError, Line
from attendant.doctor.troubles.advice import Status
from attendant.doctor.troubles.door import Door
from attendant.doctor.troubles.service import Service
from attendant.errors import Reason
from attendant.failures import ServiceError
from attendant.types import Runtime

REFUSED = ServiceError(
    "a valid token is needed", Reason.UNAUTHENTICATED, code=grpc.StatusCode.UNAUTHENTICATED
)
GONE = ServiceError("nothing listens", Reason.BACKEND_UNAVAILABLE, code=grpc.StatusCode.UNAVAILABLE)


def line(address, token=""):
    return Line(address, tls=None, token=token, seconds=5)


def troubles(findings):
    return [finding.trouble for finding in findings]


def test_a_gateway_that_serves_and_one_that_does_not():
    with standing(Gateway()) as address, line(address) as asked:
        assert troubles(service.check_health(asked)) == [None]
        assert troubles(service.check_model_health(asked, (DESCRIPTION,))) == [None]
    with standing(Gateway(serves=False)) as address, line(address) as asked:
        assert troubles(service.check_health(asked)) == [Door.NOT_READY]
        (finding,) = service.check_model_health(asked, (DESCRIPTION,))
        assert (finding.trouble, finding.seen) == (Door.NOT_READY, "sarcasm NOT_SERVING")


def test_what_has_no_health_is_no_gateway():
    (finding,) = service.check_health(ToldGateway(states={"": GONE}))
    assert (finding.trouble, finding.seen) == (Door.NO_HEALTH, "UNAVAILABLE: nothing listens")


@pytest.mark.parametrize(
    ("asked_for", "token", "trouble"),
    [
        ("", "", None),
        ("secret", "secret", None),
        ("secret", "", Door.TOKEN_MISSING),
        ("secret", "wrong", Door.TOKEN_REFUSED),
        ("", "secret", Door.TOKEN_NOT_ASKED),
    ],
)
def test_tokens(asked_for, token, trouble):
    with standing(Gateway(token=asked_for)) as address, line(address, token) as asked:
        (finding,) = service.check_access(service.ask_access(asked, token), token)
    assert finding.trouble is trouble
    assert "secret" not in finding.seen


def access(*models):
    return service.Access(models)


def test_models_are_told_with_their_weights_and_where_they_run():
    (finding,) = service.check_models(access(DESCRIPTION), "")
    assert finding.status is Status.OK
    assert "sarcasm 1 [0123456789ab]" in finding.seen
    assert "CPUExecutionProvider, 2 threads" in finding.seen


@pytest.mark.parametrize(
    ("answer", "wanted", "expected"),
    [
        (GONE, "", [Service.NO_LIST]),
        (DamagedError("the answer to ListModels cannot be read"), "", [Service.NO_LIST]),
        ((), "", [Service.NO_MODELS]),
        ((DESCRIPTION,), "irony", [Service.NO_MODELS]),
        ((replace(DESCRIPTION, ready=False, runtime=None),), "", [Service.MODEL_NOT_READY]),
        (
            (
                DESCRIPTION,
                replace(DESCRIPTION, name="b", runtime=Runtime("cuda:0", "CUDAExecutionProvider", 1)),
            ),
            "",
            [Service.OTHER_DEVICE, None],
        ),
    ],
)
def test_models_that_are_not_as_they_should_be(answer, wanted, expected):
    assert troubles(service.check_models(service.Access(answer), wanted)) == expected


def test_a_list_that_cannot_be_read_is_no_list():
    for damaged in (b"\xff\xff", b"\x0a\x02\x0a\xff"):
        gateway = ToldGateway([damaged])
        with pytest.raises(Exception, match=r"."):
            gateway.ask(service.list_models())

    class Liar(Gateway):
        def _list_models(self, _, context):
            return b"\x0a\x05nonsense"

    with standing(Liar()) as address, line(address) as asked:
        assert isinstance(service.ask_models(asked), DamagedError)


def test_replicas_that_agree():
    (finding,) = service.check_replicas({"a": (DESCRIPTION,), "b": (DESCRIPTION,)})
    assert finding.status is Status.OK


@pytest.mark.parametrize(
    ("other", "expected", "named"),
    [
        (
            (replace(DESCRIPTION, digests={"1": "e" * 64, "2": "f" * 64}),),
            [Service.REPLICAS_DISAGREE],
            "sarcasm 1",
        ),
        ((replace(DESCRIPTION, default_version="2"),), [Service.REPLICAS_DISAGREE], "default version"),
        ((replace(DESCRIPTION, versions=("1",)),), [Service.REPLICAS_DIFFER], "b lacks sarcasm 2"),
        ((replace(DESCRIPTION, ready=False),), [Service.REPLICAS_DIFFER], "b lacks sarcasm ready"),
        (GONE, [Service.REPLICA_SILENT, None], "b: UNAVAILABLE"),
    ],
)
def test_replicas_that_do_not(other, expected, named):
    findings = list(service.check_replicas({"a": (DESCRIPTION,), "b": other}))
    assert troubles(findings) == expected
    assert named in findings[0].seen
