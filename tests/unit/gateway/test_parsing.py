"""Health and reflection, asked with bytes that are no message."""

import grpc
import pytest
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from services.gateway.statuses import DETAILS_KEY

HEALTH, REFLECTION = (
    "/grpc.health.v1.Health",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
)


@pytest.mark.parametrize(
    "path",
    [f"{HEALTH}/Check", f"{HEALTH}/List", f"{HEALTH}/Watch", REFLECTION],
    ids=lambda p: p.rpartition("/")[2],
)
async def test_they_are_bad_input_and_no_trace_in_the_log(gateway, caplog, path):
    call = gateway.channel.stream_stream(path)(iter([b"\x0a\xff"]), timeout=10)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        [answer async for answer in call]
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    status = Status.FromString(dict(caught.value.trailing_metadata())[DETAILS_KEY])
    assert status.message == f"request: these bytes are no message that {path} takes"
    assert not caplog.records


async def test_what_is_a_message_is_answered_as_ever(gateway):
    check = health_pb2.HealthCheckRequest(service="sarcasm").SerializeToString()
    answer = await gateway.channel.unary_unary(f"{HEALTH}/Check")(check, timeout=10)
    assert health_pb2.HealthCheckResponse.FromString(answer).status
    listed = await gateway.channel.unary_unary(f"{HEALTH}/List")(b"", timeout=10)
    assert "sarcasm" in health_pb2.HealthListResponse.FromString(listed).statuses
    watch = gateway.channel.unary_stream(f"{HEALTH}/Watch")(check, timeout=10)
    assert health_pb2.HealthCheckResponse.FromString(await watch.read()).status
    watch.cancel()
    asked = reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString()
    call = gateway.channel.stream_stream(REFLECTION)(iter([asked, asked]), timeout=10)
    answers = [reflection_pb2.ServerReflectionResponse.FromString(answer) async for answer in call]
    names = {service.name for service in answers[1].list_services_response.service}
    assert "attendant.v1.AttendantService" in names
