"""Why a session ends, and what the agent is told."""

from __future__ import annotations

from dataclasses import dataclass

import grpc

from coordinator.failures import Failure
from coordinator.gateway.refusals import AWAY, BROKEN


@dataclass(frozen=True)
class SessionEnd:
    """A gRPC status with its failure."""

    code: grpc.StatusCode
    failure: Failure


class SessionEndedError(Exception):
    """Raised inside a session to end it."""

    def __init__(self, end: SessionEnd) -> None:
        super().__init__(end.failure.code)
        self.end = end


class PeerLeftError(Exception):
    """The agent has closed its side of the stream."""


SUPERSEDED = SessionEnd(
    grpc.StatusCode.ABORTED,
    Failure(
        "SessionSuperseded",
        "A newer session of the same provider has begun.",
        (
            "The agent reconnected before the coordinator noticed that the old connection broke.",
            "The agent runs twice, for example on two nodes or on a copy of the server.",
        ),
        "If this repeats, make sure that only one agent runs with this registration.",
    ),
)
UNREGISTERED = SessionEnd(
    grpc.StatusCode.UNAUTHENTICATED,
    Failure(
        "ProviderUnregistered",
        "The provider was unregistered, or registered anew with another key.",
        ("An administrator removed or registered the server.",),
        "Register the server again with a new registration key.",
    ),
)
LOST = SessionEnd(
    grpc.StatusCode.DEADLINE_EXCEEDED,
    Failure(
        "AgentLost",
        "Nothing was heard of the agent for longer than its lease.",
        ("The network is interrupted.", "The agent or its server is overloaded."),
        "Nothing has to be done: the agent connects again by itself.",
    ),
)
STOPPING = SessionEnd(
    grpc.StatusCode.UNAVAILABLE,
    Failure(
        "GatewayStopping",
        "The gateway is being stopped.",
        ("The coordinator is being restarted or upgraded.",),
        "Nothing has to be done: the agent connects again by itself.",
    ),
)
DATABASE_AWAY = SessionEnd(grpc.StatusCode.UNAVAILABLE, AWAY)
BROKE = SessionEnd(grpc.StatusCode.INTERNAL, BROKEN)


def protocol_violation(what: str) -> SessionEnd:
    return SessionEnd(
        grpc.StatusCode.INVALID_ARGUMENT,
        Failure(
            "ProtocolViolation",
            f"The agent sent what the protocol does not allow: {what}.",
            ("The agent's version does not fit the coordinator's.",),
            "Upgrade the agent.",
        ),
    )
