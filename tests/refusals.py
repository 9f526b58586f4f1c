"""What a refused call says, read from its status."""

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2


def refusal(service, request, method="Predict"):
    """The call's status code, its reason, and the fields it names."""
    with pytest.raises(grpc.RpcError) as caught:
        service.call(method, request)
    error = caught.value
    details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    if details is None:
        return error.code(), None, []
    status = status_pb2.Status.FromString(details)
    reason, fields = None, []
    for detail in status.details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            info = error_details_pb2.ErrorInfo.FromString(detail.value)
            assert info.domain == "attendant.v1"
            reason = info.reason
        if detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            bad = error_details_pb2.BadRequest.FromString(detail.value)
            fields = [violation.field for violation in bad.field_violations]
            assert all(violation.description for violation in bad.field_violations)
    return error.code(), reason, fields
