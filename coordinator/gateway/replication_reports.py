"""What an agent reports about replication."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import structlog
from opensiterecovery.provider.v1.replication_pb2 import ReplicationReport, ReplicationState

from coordinator.gateway.settings import GatewayContext
from coordinator.protection.services import ingest_replication, report_absent

log = structlog.get_logger(__name__)

# So many states are stored in one transaction, for a few hundredths of a second.
STATES_AT_ONCE = 500


class ReplicationReports:
    """Takes the replication reports of one session, in order."""

    def __init__(self, gateway: GatewayContext, fabric_id: UUID) -> None:
        self._gateway = gateway
        self._fabric_id = fabric_id
        # Of the complete look that is being told in parts.
        self._named: set[str] = set()

    async def take(self, report: ReplicationReport) -> None:
        """Takes one report.

        Raises:
            DatabaseAwayError: It could not be stored; the agent starts over in its next session.
        """
        observed_at = self._time_of(report)
        for begin in range(0, len(report.states), STATES_AT_ONCE):
            states = report.states[begin : begin + STATES_AT_ONCE]
            await self._store(states, observed_at)
        if not report.complete:
            return
        self._named.update(state.vm_id for state in report.states)
        if report.more:
            return
        named, self._named = self._named, set()
        await self._gateway.database.run(
            report_absent, self._fabric_id, named, observed_at, self._gateway.clock()
        )

    async def _store(self, states: list[ReplicationState], observed_at: datetime) -> None:
        await self._gateway.database.run(
            ingest_replication, self._fabric_id, states, observed_at, self._gateway.clock()
        )

    def _time_of(self, report: ReplicationReport) -> datetime:
        if not report.HasField("observed_at"):
            # It told none, or one that is none; the states are worth keeping.
            return self._gateway.clock()
        return report.observed_at.ToDatetime(tzinfo=UTC)
