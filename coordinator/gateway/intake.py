"""Results of all sessions, taken in together: as many in one transaction as came meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, Protocol
from uuid import UUID

import structlog
from opensiterecovery.provider.v1.command_pb2 import CommandResult

from coordinator.fabrics.services import ProviderIdentity
from coordinator.gateway.database import DatabaseAwayError
from coordinator.gateway.session_ends import BROKE, DATABASE_AWAY, SessionEnd
from coordinator.gateway.settings import GatewayContext
from coordinator.jobs.services import (
    Arrival,
    ClaimedCommand,
    Intake,
    Listener,
    acknowledge_commands,
    store_result,
    take_in,
)

log = structlog.get_logger(__name__)

# How many results wait before the agents' next ones are left in the network.
WAITING_RESULTS = 1024
RESULTS_AT_ONCE = 64
CLAIM_LIMIT = 20
# A job that somebody else advances is looked at again so soon.
BEHIND_SECONDS = 0.05
# Acknowledgements are written so often; of a command that has its result by then not at all.
ACKNOWLEDGE_SECONDS = 1.0


class SentCommand(NamedTuple):
    """A command that was sent in a session and is not answered.

    Attributes:
        root_id: The job whose advance takes its result.
        job_id: The job it is a step of.
    """

    root_id: UUID
    job_id: UUID


class Session(Protocol):
    """What there is to a session here; see `connection.Connection`."""

    @property
    def identity(self) -> ProviderIdentity: ...

    @property
    def fence(self) -> int: ...

    def room(self) -> int: ...

    def forget_command(self, command_id: UUID) -> SentCommand | None: ...

    def send_commands(self, claimed: Sequence[ClaimedCommand]) -> None: ...

    def confirm(self, command_id: UUID) -> None: ...

    def wake(self) -> None: ...

    def end(self, end: SessionEnd) -> None: ...


@dataclass(frozen=True, slots=True)
class Given:
    """A result and the session it came in."""

    session: Session
    arrival: Arrival
    outcome: str


class CommandIntake:
    """Stores what agents say about their commands, and sends what follows from it.

    One transaction at a time: what comes while it runs is the next one's. So a lone result waits
    for nobody, and many cost little more than one.
    """

    def __init__(self, gateway: GatewayContext, find: Callable[[UUID], Session | None]) -> None:
        """Makes an intake.

        Args:
            gateway: What every call needs.
            find: Gives the session of a provider, if it is here.
        """
        self._gateway = gateway
        self._find = find
        self._results: asyncio.Queue[Given] = asyncio.Queue(WAITING_RESULTS)
        # Something is to be done.
        self._due = asyncio.Event()
        self._acknowledged: dict[UUID, UUID] = {}
        self._acknowledge_at = 0.0
        self._behind: set[UUID] = set()

    def acknowledge(self, provider_id: UUID, command_id: UUID) -> None:
        """The command is in the agent's journal; written down soon."""
        if not self._acknowledged:
            loop = asyncio.get_running_loop()
            self._acknowledge_at = loop.time() + ACKNOWLEDGE_SECONDS
            loop.call_at(self._acknowledge_at, self._due.set)
        self._acknowledged[command_id] = provider_id

    async def give(self, session: Session, command_id: UUID, result: CommandResult) -> None:
        """Takes a result; waits while there are too many. It is answered once it is stored."""
        sent = session.forget_command(command_id)
        arrival = Arrival(
            provider_id=session.identity.provider_id,
            command_id=command_id,
            body=result.SerializeToString(),
            root_id=None if sent is None else sent.root_id,
            job_id=None if sent is None else sent.job_id,
        )
        self._acknowledged.pop(command_id, None)
        outcome = result.WhichOneof("outcome") or ""
        await self._results.put(Given(session, arrival, outcome))
        self._due.set()

    async def run(self) -> None:
        """Takes in what comes until it is cancelled."""
        while True:
            given = await self._next()
            try:
                await self._take(given)
                await self._write_acknowledgements()
            except DatabaseAwayError:
                for each in given:
                    each.session.end(DATABASE_AWAY)
                await asyncio.sleep(self._gateway.settings.round_seconds)

    async def _next(self) -> list[Given]:
        """Results, as soon as there are some; none when something else is due."""
        if self._results.empty():
            with suppress(TimeoutError):
                async with asyncio.timeout(BEHIND_SECONDS if self._behind else None):
                    await self._due.wait()
        self._due.clear()
        given: list[Given] = []
        while len(given) < RESULTS_AT_ONCE and not self._results.empty():
            given.append(self._results.get_nowait())
        return given

    async def _take(self, given: Sequence[Given]) -> None:
        if not given and not self._behind:
            return
        try:
            intake = await self._gateway.database.run_in_turn(
                take_in,
                list({each.arrival.command_id: each.arrival for each in given}.values()),
                self._listener,
                frozenset(self._behind),
                self._gateway.engine,
                commit=True,
            )
        except DatabaseAwayError:
            raise
        except Exception:
            # A border: the results are safe before anything else, and workers go on with the jobs.
            log.exception("intake.broke", results=len(given))
            self._behind.clear()
            await self._store_one_by_one(given)
            return
        self._behind = intake.behind
        # Machines wait for their next command, nobody for the answer.
        self._send(intake)
        for each in given:
            self._answer(each, known=each.arrival.command_id in intake.known)
        intake.write_lines()

    def _listener(self, provider_id: UUID) -> Listener | None:
        session = self._find(provider_id)
        return (
            None if session is None else Listener(session.fence, min(session.room(), CLAIM_LIMIT))
        )

    def _answer(self, given: Given, *, known: bool) -> None:
        # The engine says what became of the step.
        log.debug(
            "command.result_stored",
            provider_id=str(given.arrival.provider_id),
            command_id=str(given.arrival.command_id),
            outcome=given.outcome,
            known=known,
        )
        given.session.confirm(given.arrival.command_id)

    def _send(self, intake: Intake) -> None:
        for (provider_id, fence), claimed in intake.claimed.items():
            session = self._find(provider_id)
            # Without one, or with a newer one: that session sends what an earlier one had taken.
            if session is not None and session.fence == fence:
                session.send_commands(claimed)
                if len(claimed) >= CLAIM_LIMIT:
                    # There may be more.
                    session.wake()

    async def _store_one_by_one(self, given: Sequence[Given]) -> None:
        for each in given:
            try:
                known = await self._gateway.database.run(
                    store_result, each.arrival, self._gateway.clock()
                )
            except DatabaseAwayError:
                raise
            except Exception:
                log.exception("result.broke", command_id=str(each.arrival.command_id))
                each.session.end(BROKE)
            else:
                self._answer(each, known=known)

    async def _write_acknowledgements(self) -> None:
        if not self._acknowledged or asyncio.get_running_loop().time() < self._acknowledge_at:
            return
        written, self._acknowledged = self._acknowledged, {}
        await self._gateway.database.run(acknowledge_commands, written, self._gateway.clock())
