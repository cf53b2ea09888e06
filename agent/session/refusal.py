"""What the coordinator said when it refused a call."""

from __future__ import annotations

from typing import Final

import grpc
from google.protobuf.message import DecodeError
from opensiterecovery.provider.v1.failure_pb2 import Failure

FAILURE_METADATA: Final = "osr-failure-bin"


def told_failure(error: grpc.aio.AioRpcError) -> Failure | None:
    """The failure in the call's trailing metadata, if the coordinator put one there."""
    for key, value in error.trailing_metadata() or ():
        if key == FAILURE_METADATA and isinstance(value, bytes):
            try:
                return Failure.FromString(value)
            except DecodeError:
                return None
    return None
