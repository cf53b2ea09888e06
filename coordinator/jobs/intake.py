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

from coordinator.jobs.claims import CLAIM_LIMIT, ClaimedCommand, claim_next, lock_sessions
from coordinator.jobs.engine import Announce, advance_lightly, announce_nothing
from coordinator.jobs.job_rows import lock_roots
from coordinator.jobs.messages import ADVANCE_TASK, ask_to_advance, send_after_commit
from coordinator.jobs.models import Command, Job
from coordinator.jobs.registry import Registry
from coordinator.jobs.results import Result, take_results
from coordinator.jobs.run import Advance
from coordinator.jobs.statements import fetch
from coordinator.jobs.states import CommandState

log = structlog.get_logger(__name__)

# An advance asked for is not asked for again before this; the sweep thinks the same.
ASKED_FOR = timedelta(seconds=10)

STORE = """
UPDATE jobs_command AS command
SET result = new.result,
    finished_at = %(now)s,
    state = CASE WHEN command.state = 'abandoned' THEN 'abandoned' ELSE 'finished' END,
    taken_at = CASE
        WHEN command.state <> 'abandoned' AND command.root_id = ANY(%(roots)s::uuid[]) THEN %(now)s
    END
FROM jobs_step AS step, unnest(%(commands)s::uuid[], %(providers)s::uuid[], %(results)s::bytea[])
    AS new (command_id, provider_id, result)
WHERE command.command_id = new.command_id AND command.provider_id = new.provider_id
    AND command.result IS NULL AND step.id = command.step_id
RETURNING command.command_id, command.root_id, command.state, command.taken_at IS NOT NULL,
    step.job_id, step.id, step.key, command.verb
"""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A result that has come.

    Attributes:
        provider_id: Who sent it: only its own commands are touched.
        command_id: The command.
        body: The wire's `CommandResult`, serialized.
        root_id: The job whose advance takes it, if the process knows it: then it is taken at once.
    """

    provider_id: UUID
    command_id: UUID
    body: bytes
    root_id: UUID | None = None


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
    """

    known: set[UUID] = field(default_factory=set)
    claimed: dict[tuple[UUID, int], list[ClaimedCommand]] = field(default_factory=dict)
    behind: set[UUID] = field(default_factory=set)


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
) -> Intake:
    """Stores results and does at once what follows from them, in the caller's transaction.

    Args:
        arrivals: The results, of one command at most one.
        find_listener: Gives the session of a provider, if it is in this process; commands are
            claimed for those that sent results, and for those that there are new commands for.
        behind: What `Intake.behind` said before.
        engine: See there.

    Idempotent: A second result of a command changes nothing.
    """
    now = engine.clock()
    intake = Intake()
    hinted = {arrival.root_id for arrival in arrivals if arrival.root_id is not None}
    roots = {root.id: root for root in lock_roots([*hinted, *behind])}
    by_root = _store(arrivals, [root_id for root_id in hinted if root_id in roots], now, intake)
    intake.behind |= {root_id for root_id in behind if root_id not in roots}
    for root_id in behind:
        if root_id in roots:
            by_root.setdefault(root_id, []).extend(take_results(root_id, now))
    fresh: set[UUID] = set()
    for root_id, results in by_root.items():
        shared = Advance(engine.registry, engine.clock, now, engine.new_id, light=True)
        fresh |= _bring_on(roots[root_id], results, shared)
    wanted = fresh | {arrival.provider_id for arrival in arrivals}
    found = {provider_id: find_listener(provider_id) for provider_id in wanted}
    here = {provider_id: one for provider_id, one in found.items() if one is not None}
    elsewhere = fresh - set(here)
    if elsewhere:
        transaction.on_commit(partial(engine.announce, elsewhere), robust=True)
    _claim(here, now, intake)
    return intake


def store_result(arrival: Arrival, now: datetime) -> bool:
    """Stores one result, and has a worker go on with its job after the commit.

    For when `take_in` does not work: nothing of a job is touched here.

    Returns:
        Whether the command is one of this provider's. False: unknown here, or another provider's;
        the agent may forget it either way.

    Idempotent: A second result of a command changes nothing.
    """
    intake = Intake()
    _store([arrival], [], now, intake)
    for root in Job.objects.filter(id__in=intake.behind):
        # The untaken result is found by the sweep if this message is lost.
        ask_to_advance(root)
    return bool(intake.known)


def _store(
    arrivals: Sequence[Arrival], roots: Sequence[UUID], now: datetime, intake: Intake
) -> dict[UUID, list[Result]]:
    """Stores results; gives those that are taken thereby, by root."""
    bodies = {arrival.command_id: arrival.body for arrival in arrivals}
    if not bodies:
        return {}
    parameters = {
        "now": now,
        "roots": list(roots),
        "commands": [arrival.command_id for arrival in arrivals],
        "providers": [arrival.provider_id for arrival in arrivals],
        "results": [arrival.body for arrival in arrivals],
    }
    rows = fetch(STORE, parameters)
    by_root: dict[UUID, list[Result]] = {}
    for command_id, root_id, state, taken, job_id, step_id, step_key, verb in rows:
        intake.known.add(command_id)
        if taken:
            result = Result(job_id, step_id, step_key, verb, bodies[command_id])
            by_root.setdefault(root_id, []).append(result)
        elif state == CommandState.ABANDONED:
            log.warning("command.result_late", command_id=str(command_id))
        else:
            intake.behind.add(root_id)
    unclear = [arrival for arrival in arrivals if arrival.command_id not in intake.known]
    if unclear:
        _find_known(unclear, intake)
    return by_root


def _find_known(arrivals: Sequence[Arrival], intake: Intake) -> None:
    """A result that came before is known; one of another provider's command is not."""
    found = dict(
        Command.objects.filter(
            command_id__in=[arrival.command_id for arrival in arrivals]
        ).values_list("command_id", "provider_id")
    )
    for arrival in arrivals:
        if found.get(arrival.command_id) == arrival.provider_id:
            intake.known.add(arrival.command_id)
        else:
            log.warning(
                "command.result_foreign",
                provider_id=str(arrival.provider_id),
                command_id=str(arrival.command_id),
            )


def _bring_on(root: Job, results: Sequence[Result], shared: Advance) -> set[UUID]:
    """Advances a family; gives the providers that have new commands."""
    asked = root.asked_at is not None and root.asked_at > shared.now - ASKED_FOR
    if advance_lightly(root, results, shared) and not asked:
        Job.objects.filter(id=root.id).update(asked_at=shared.now)
        send_after_commit(ADVANCE_TASK, root.queue, str(root.id))
    return {command.provider_id for command in shared.commands}


def _claim(listeners: Mapping[UUID, Listener], now: datetime, intake: Intake) -> None:
    fences = lock_sessions(listeners)
    for provider_id, listener in listeners.items():
        # A session that is not the newest any more is ended by its gateway's next round.
        if fences.get(provider_id) == listener.fence and listener.room > 0:
            claimed = claim_next(provider_id, listener.fence, now, listener.room)
            if claimed:
                intake.claimed[provider_id, listener.fence] = claimed


def read_arrival(provider_id: UUID, body: bytes) -> Arrival:
    """A result as it came.

    Raises:
        google.protobuf.message.DecodeError: The bytes are no CommandResult.
        ValueError: The command id is no UUID.
    """
    return Arrival(provider_id, UUID(CommandResult.FromString(body).command_id), body)
