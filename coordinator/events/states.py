"""Kinds and severities of events, in ASR's words."""

from __future__ import annotations

from enum import StrEnum


class EventType(StrEnum):
    """ASR's eventType."""

    # A protected machine: its replication, its copies.
    VM_HEALTH = "VmHealth"
    # A VMM server: whether its provider is connected.
    SERVER_HEALTH = "ServerHealth"
    # The provider itself: its certificate, its version.
    AGENT_HEALTH = "AgentHealth"
    # A job that failed, or that waits for somebody.
    JOB_STATUS = "JobStatus"


# ASR's code of the events of machines whose health changed, which are the most there are.
HEALTH_CHANGED = "SRSVMHealthChanged"


class Severity(StrEnum):
    """How much an event matters."""

    CRITICAL = "Critical"
    WARNING = "Warning"
    INFO = "Info"
