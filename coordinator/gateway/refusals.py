"""How the gateway refuses a call: a gRPC status, and the four things a failure says."""

from __future__ import annotations

from typing import Any, NoReturn

import grpc
from opensiterecovery.provider.v1 import failure_pb2

from coordinator.failures import Failure, RefusedError

# A serialized Failure in the trailing metadata.
FAILURE_METADATA = "osr-failure-bin"

STATUS_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.FAILED_PRECONDITION,
}

AWAY = Failure(
    "CoordinatorBusy",
    "The coordinator cannot reach its database.",
    ("The database is being restarted or is overloaded.",),
    "Nothing has to be done: the agent tries again by itself.",
)
BROKEN = Failure(
    "CoordinatorInternalError",
    "The coordinator failed while it answered; its log says where.",
    ("A defect of the coordinator.",),
    "Report the coordinator's log. The agent tries again by itself.",
)


def to_message(failure: Failure, *, transient: bool = False) -> failure_pb2.Failure:
    return failure_pb2.Failure(
        code=failure.code,
        message=failure.message,
        possible_causes=failure.possible_causes,
        recommended_action=failure.recommended_action,
        transient=transient,
    )


def status_of(error: RefusedError) -> grpc.StatusCode:
    return STATUS_CODES.get(error.status, grpc.StatusCode.FAILED_PRECONDITION)


async def abort(
    context: grpc.aio.ServicerContext[Any, Any], code: grpc.StatusCode, failure: Failure
) -> NoReturn:
    """Ends the call; gRPC's own exception leaves it."""
    message = to_message(failure, transient=code is grpc.StatusCode.UNAVAILABLE)
    metadata = ((FAILURE_METADATA, message.SerializeToString()),)
    await context.abort(code, failure.message, trailing_metadata=metadata)
    raise AssertionError("context.abort returned")
