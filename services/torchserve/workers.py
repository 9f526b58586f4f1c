"""What TorchServe's management interface says about an archive's workers."""

import json

import grpc

from attendant.torchserve.management_pb2 import DescribeModelRequest, ManagementResponse

_DESCRIBE = "/org.pytorch.serve.grpc.management.ManagementAPIsService/DescribeModel"

Describe = grpc.aio.UnaryUnaryMultiCallable[DescribeModelRequest, ManagementResponse]


def describing(channel: grpc.aio.Channel) -> Describe:
    """The call that asks."""
    return channel.unary_unary(
        _DESCRIBE, DescribeModelRequest.SerializeToString, ManagementResponse.FromString
    )


async def is_ready(describe: Describe, archive: str, seconds: float) -> bool:
    """Whether one of the archive's workers serves (/ping is healthy long before they do); False without an answer."""
    try:
        response = await describe(DescribeModelRequest(model_name=archive), timeout=seconds)
    except grpc.aio.AioRpcError:
        return False
    return has_ready_worker(response.msg)


def has_ready_worker(description: str) -> bool:
    """Whether TorchServe's description of a model (JSON: a list of versions with their workers) has one that serves."""
    try:
        versions = json.loads(description)
        return any(worker["status"] == "READY" for version in versions for worker in version["workers"])
    except (ValueError, KeyError, TypeError):
        return False
