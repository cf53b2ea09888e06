"""Results of commands as they come in: stored, their jobs brought on, the next commands claimed.

All of it in the one transaction that stores the results, and many results at once: what comes after
a command is mostly the next command, and neither a message to a worker nor a second look at the
database is needed for that. What a domain has a say in (record steps, conditions, the end of a job)
is left to a worker. Nothing here is kept in memory that matters: a process that dies at any moment
leaves a result that nobody took, which the sweep finds, or one the agent sends again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

import structlog
from django.db import transaction
from opensiterecovery.provider.v1.command_pb2 import CommandResult

from coordinator.jobs.claims import CLAIM_LIMIT, ClaimedCommand, claim_statement, claimed
from coordinator.jobs.engine import Announce, announce_nothing
from coordinator.jobs.light import LightAdvance, ReadRows, advance_lightly, write_statement
from coordinator.jobs.messages import ADVANCE_TASK, ask_to_advance, send_after_commit
from coordinator.jobs.models import Command, Job
from coordinator.jobs.registry import Registry
from coordinator.jobs.results import Result, take_results
from coordinator.jobs.run import Line, write_lines
from coordinator.jobs.statements import Rows, fetch_together
from coordinator.jobs.states import CommandState

log = structlog.get_logger(__name__)

# An advance asked for is not asked for again before this; the sweep thinks the same.
ASKED_FOR = timedelta(seconds=10)

# Locks the roots that nobody is advancing, stores the results, and takes those of these roots. A
# row without a command says that a root is locked.
STORE = """
WITH root AS MATERIALIZED (
    SELECT id FROM jobs_job WHERE id = ANY(%(roots)s::uuid[]) AND root_id IS NULL
    ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
), stored AS (
    UPDATE jobs_command AS command
    SET result = new.result,
        finished_at = %(now)s,
        state = CASE WHEN command.state = 'abandoned' THEN 'abandoned' ELSE 'finished' END,
        taken_at = CASE
            WHEN command.state <> 'abandoned' AND command.root_id IN (SELECT id FROM root)
            THEN %(now)s::timestamptz
        END
    FROM jobs_step AS step,
        unnest(%(commands)s::uuid[], %(providers)s::uuid[], %(results)s::bytea[])
            AS new (command_id, provider_id, result)
    WHERE command.command_id = new.command_id AND command.provider_id = new.provider_id
        AND command.result IS NULL AND step.id = command.step_id
    RETURNING command.command_id, command.root_id, command.state,
        command.taken_at IS NOT NULL AS taken, step.job_id, step.id AS step_id, step.key,
        command.verb
)
SELECT NULL, id, NULL, false, NULL, NULL, NULL, NULL FROM root
UNION ALL SELECT * FROM stored
"""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A result that has come.

    Attributes:
        provider_id: Who sent it: only its own commands are touched.
        command_id: The command.
        body: The wire's `CommandResult`, serialized.
        root_id: The job whose advance takes it, if the process knows it: then it is taken at once.
        job_id: The job it is for, if the process knows it: saves asking the database once more.
    """

    provider_id: UUID
    command_id: UUID
    body: bytes
    root_id: UUID | None = None
    job_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Listener:
    """A session that commands can be sent to.

    Attributes:
        fence: Of the session.
        room: How many commands it takes now.
    """

    fence: int
    room: int = CLAIM_LIMIT


@dataclass
class Intake:
    """What became of results.

    Attributes:
        known: The commands that are their providers'; an agent may forget the others, too.
        claimed: Commands to send, by provider and fence.
        behind: Jobs with results that somebody else's advance keeps from being taken: to be tried
            again soon.
        lines: Of the log, to be written after the commit with `write_lines`.
    """

    known: set[UUID] = field(default_factory=set)
    claimed: dict[tuple[UUID, int], list[ClaimedCommand]] = field(default_factory=dict)
    behind: set[UUID] = field(default_factory=set)
    lines: list[Line] = field(default_factory=list)

    def write_lines(self) -> None:
        """Logs what was brought on."""
        write_lines(self.lines)


@dataclass(frozen=True)
class Engine:
    """What bringing jobs on needs.

    Attributes:
        registry: Says which scenarios end with a function of a domain.
        clock: Gives the time, UTC.
        announce: Called after the commit with the providers that have commands waiting and no
            listener here.
        new_id: Gives random UUIDs.
    """

    registry: Registry
    clock: Callable[[], datetime]
    announce: Announce = announce_nothing
    new_id: Callable[[], UUID] = uuid4


def take_in(
    arrivals: Sequence[Arrival],
    find_listener: Callable[[UUID], Listener | None],
    behind: Collection[UUID],
    engine: Engine,
    *,
    commit: bool = False,
) -> Intake:
    """Stores results and does at once what follows from them, in the caller's transaction.

    Args:
        arrivals: The results, of one command at most one.
        find_listener: Gives the session of a provider, if it is in this process; commands are
            claimed for those that sent results, and for those that there are new commands for.
        behind: What `Intake.behind` said before.
        engine: See there.
        commit: Whether the transaction is this function's to commit, with the last it writes.

    Raises:
        CommitUnknownError: The connection broke while it was being committed.

    Idempotent: A second result of a command changes nothing.
    """
    now = engine.clock()
    intake = Intake()
    hinted = {arrival.root_id for arrival in arrivals if arrival.root_id is not None}
    read = ReadRows()
    stored = _store(arrivals, hinted | set(behind), read, now)
    intake.known, intake.behind = stored.known, stored.behind | (set(behind) - stored.locked)
    for root_id in stored.locked & set(behind):
        stored.taken.setdefault(root_id, []).extend(take_results(root_id, now))
    advance = advance_lightly(stored.taken, read, engine.registry, engine.clock, engine.new_id)
    intake.lines = advance.lines
    _ask_workers(advance.held, now)
    listeners = {
        provider_id: find_listener(provider_id)
        for provider_id in advance.providers | {arrival.provider_id for arrival in arrivals}
    }
    here = {provider_id: one for provider_id, one in listeners.items() if one is not None}
    elsewhere = advance.providers - set(here)
    if elsewhere:
        transaction.on_commit(partial(engine.announce, elsewhere), robust=True)
    intake.claimed = _write(advance, here, now, commit=commit)
    return intake


def _write(
    advance: LightAdvance, listeners: Mapping[UUID, Listener], now: datetime, *, commit: bool
) -> dict[tuple[UUID, int], list[ClaimedCommand]]:
    """Writes what was brought on, and claims what the sessions here may send next."""
    free = {provider_id: one for provider_id, one in listeners.items() if one.room > 0}
    claims = [claim_statement(key, one.fence, now, one.room) for key, one in free.items()]
    _, *answers = fetch_together([write_statement(advance, free), *claims], commit=commit)
    return {
        (provider_id, listener.fence): claimed(found, now)
        for (provider_id, listener), found in zip(free.items(), answers, strict=True)
        if found
    }


def store_result(arrival: Arrival, now: datetime) -> bool:
    """Stores one result, and has a worker go on with its job after the commit.

    For when `take_in` does not work: nothing of a job is touched here.

    Returns:
        Whether the command is one of this provider's. False: unknown here, or another provider's;
        the agent may forget it either way.

    Idempotent: A second result of a command changes nothing.
    """
    stored = _store([arrival], (), ReadRows(), now)
    for root in Job.objects.filter(id__in=stored.behind):
        # The untaken result is found by the sweep if this message is lost.
        ask_to_advance(root)
    return bool(stored.known)


@dataclass
class _Stored:
    """What storing has found.

    Attributes:
        known: See `Intake`.
        behind: Roots with results that were not taken.
        locked: Roots that are locked.
        taken: Results that were taken, by root.
    """

    known: set[UUID] = field(default_factory=set)
    behind: set[UUID] = field(default_factory=set)
    locked: set[UUID] = field(default_factory=set)
    taken: dict[UUID, list[Result]] = field(default_factory=dict)

    def add(self, rows: Rows, bodies: Mapping[UUID, bytes]) -> None:
        """Takes what `STORE` gave."""
        for command_id, root_id, state, taken, *step, verb in rows:
            if command_id is None:
                self.locked.add(root_id)
                continue
            self.known.add(command_id)
            if taken:
                job_id, step_id, key = step
                result = Result(job_id, step_id, key, verb, bodies[command_id])
                self.taken.setdefault(root_id, []).append(result)
            elif state == CommandState.ABANDONED:
                log.warning("command.result_late", command_id=str(command_id))
            else:
                self.behind.add(root_id)


def _store(
    arrivals: Sequence[Arrival], roots: Collection[UUID], read: ReadRows, now: datetime
) -> _Stored:
    """Stores results; reads on the way what is known to be wanted next."""
    bodies = {arrival.command_id: arrival.body for arrival in arrivals}
    parameters = {
        "now": now,
        "roots": list(roots),
        "commands": [arrival.command_id for arrival in arrivals],
        "providers": [arrival.provider_id for arrival in arrivals],
        "results": [arrival.body for arrival in arrivals],
    }
    job_ids = {arrival.job_id for arrival in arrivals if arrival.job_id is not None}
    rows, jobs, steps = fetch_together([(STORE, parameters), *ReadRows.statements(roots, job_ids)])
    read.add(jobs, steps, job_ids)
    stored = _Stored()
    stored.add(rows, bodies)
    unclear = [arrival for arrival in arrivals if arrival.command_id not in stored.known]
    if unclear:
        stored.known |= _known_before(unclear)
    return stored


def _known_before(arrivals: Sequence[Arrival]) -> set[UUID]:
    """A result that came before is known; one of another provider's command is not."""
    found = dict(
        Command.objects.filter(
            command_id__in=[arrival.command_id for arrival in arrivals]
        ).values_list("command_id", "provider_id")
    )
    known = set()
    for arrival in arrivals:
        if found.get(arrival.command_id) == arrival.provider_id:
            known.add(arrival.command_id)
        else:
            log.warning(
                "command.result_foreign",
                provider_id=str(arrival.provider_id),
                command_id=str(arrival.command_id),
            )
    return known


def _ask_workers(held: Sequence[Job], now: datetime) -> None:
    """Has workers go on with jobs; what was asked for and has not begun is not sent again."""
    for root in held:
        if root.asked_at is None or root.asked_at <= now - ASKED_FOR:
            root.asked_at = now
            send_after_commit(ADVANCE_TASK, root.queue, str(root.id))


def read_arrival(provider_id: UUID, body: bytes) -> Arrival:
    """A result as it came.

    Raises:
        google.protobuf.message.DecodeError: The bytes are no CommandResult.
        ValueError: The command id is no UUID.
    """
    return Arrival(provider_id, UUID(CommandResult.FromString(body).command_id), body)
