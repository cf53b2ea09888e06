"""What to do next with a graph that is under way: pure, from the steps' states and the time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from coordinator.jobs.states import Halt, JobState, StepState
from coordinator.jobs.steps import FailureRule, StepKind

# How often a condition is looked at when nothing calls for it earlier.
LOOK_SECONDS = 5
FIRST_PAUSE_SECONDS = 2
PAUSE_GROWTH = 3
LONGEST_PAUSE_SECONDS = 60
NO_LOOKS: Mapping[str, datetime] = {}

# A step may begin when all those it comes after are in one of these.
ENDED_WELL = frozenset({StepState.SUCCEEDED, StepState.WARNED})


@dataclass(frozen=True)
class StepSnapshot:
    """A step as far as deciding needs it.

    Attributes:
        attempts: Begun so far.
        retry_at: Set between two attempts only: when the next begins.
        deadline_at: When the running attempt's time is over; None when none runs. Of a MANUAL step:
            when somebody is told that nobody has come.
        gate: What must be open before it begins.
        undoes: Key of the step it takes back; empty for ordinary steps.
        begun: It has had an effect, or may have had one.
        point_of_no_return: Once it has begun nothing is taken back.
        members_left: Of a running GROUP step: members that are not through its gate.
    """

    key: str
    kind: StepKind
    state: StepState
    after: tuple[str, ...]
    on_failure: FailureRule
    attempts: int
    attempts_allowed: int
    retry_at: datetime | None
    deadline_at: datetime | None
    gate: str = ""
    undoes: str = ""
    begun: bool = False
    point_of_no_return: bool = False
    members_left: int = 0


@dataclass(frozen=True)
class Situation:
    """How a job stands, beside its steps.

    Attributes:
        gates: The open gates; None: all of them.
        halt: Why nothing more begins, if so.
        children_left: How many child jobs have not ended.
    """

    gates: frozenset[str] | None = None
    halt: Halt = Halt.NONE
    children_left: int = 0


# A job of its own that nobody has cancelled.
ALONE = Situation()


@dataclass(frozen=True)
class JobOutcome:
    """How a job ends, in ASR's words."""

    state: JobState
    description: str


@dataclass(frozen=True)
class Decision:
    """What to do next.

    Attributes:
        give_up: Keys of steps to fail because their time is over.
        drop: Keys of steps between two attempts to fail with their last failure, because the job
            has failed elsewhere.
        skip: Keys of steps that will never begin.
        cancel: Keys of steps to end because the job is cancelled or stopped, none of which has
            anything on its way to a provider.
        withdraw: Keys of running commands of such a job: those not sent yet need not be.
        close: Keys of GROUP steps all of whose members are through.
        escalate: Keys of MANUAL steps that nobody has come for in time.
        start: Keys of steps whose first or next attempt is to begin.
        look: Keys of running WAIT steps.
        halt_children: What children have not ended must not go on, because this job failed.
        outcome: Set once every step has ended.
        wake_at: When time alone calls for the next decision; None when it never does.
    """

    give_up: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    cancel: tuple[str, ...] = ()
    withdraw: tuple[str, ...] = ()
    close: tuple[str, ...] = ()
    escalate: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    look: tuple[str, ...] = ()
    halt_children: bool = False
    outcome: JobOutcome | None = None
    wake_at: datetime | None = None


def decide(
    steps: Iterable[StepSnapshot],
    now: datetime,
    looks: Mapping[str, datetime] = NO_LOOKS,
    situation: Situation = ALONE,
) -> Decision:
    """Decides from the states of all steps of a job what is to be done now.

    A step begins when its gate is open and all it comes after have ended well. Once a step has
    failed under the rule STOP, or the job is halted, nothing more begins, not even a next attempt,
    and the running steps are awaited; but a job that winds up still opens its gates, in order, for
    the children that are left. Under the rule WARN a failed step counts as ended well. When
    all of that has ended, and the children have, what had begun is taken back by the steps that
    undo it, unless the job came past its point of no return.

    Args:
        steps: All steps of the job, in the graph's order.
        now: The time.
        looks: When the conditions of WAIT steps are to be looked at again, by key; those without
            an entry every few seconds.
        situation: How the job stands, beside its steps.
    """
    by_key = {step.key: step for step in steps}
    ordinary = [step for step in by_key.values() if not step.undoes]
    failed = any(step.state is StepState.FAILED for step in ordinary)
    if not all(step.state.ended for step in ordinary):
        if situation.halt is Halt.WIND_UP and situation.children_left:
            return _wind_up(by_key, _Moment(now, looks))
        return _go_on(by_key, failed, _Moment(now, looks), situation)
    if situation.children_left:
        return Decision(halt_children=failed and situation.halt is Halt.NONE)
    undo = [step for step in by_key.values() if step.undoes]
    if not all(step.state.ended for step in undo):
        backwards = failed or situation.halt is not Halt.NONE
        wanted = backwards and not came_past_return(ordinary)
        return _take_back(by_key, undo, _Moment(now, looks), wanted=wanted)
    return Decision(outcome=_outcome(ordinary, situation))


def came_past_return(steps: Iterable[StepSnapshot]) -> bool:
    """Whether the job cannot be cancelled any more, nor taken back."""
    return any(step.point_of_no_return and step.begun for step in steps)


@dataclass(frozen=True)
class _Moment:
    """The time of a decision, and when conditions are to be looked at again."""

    now: datetime
    looks: Mapping[str, datetime]

    def over(self, moment: datetime | None) -> bool:
        return moment is not None and moment <= self.now


def _go_on(
    by_key: Mapping[str, StepSnapshot], failed: bool, moment: _Moment, situation: Situation
) -> Decision:
    """While ordinary steps have not all ended."""
    ordinary = [step for step in by_key.values() if not step.undoes]
    halted = situation.halt is not Halt.NONE
    stopping = failed or halted
    running = [step for step in ordinary if step.state is StepState.IN_PROGRESS]
    pausing = [step for step in running if step.retry_at is not None]
    idle = [step for step in ordinary if step.state is StepState.NOT_STARTED]
    never = [step for step in idle if stopping or _blocked(step, by_key)]
    return replace(
        _attend(running, moment, retry=not stopping),
        drop=_keys(pausing) if failed else (),
        skip=() if halted else _keys(never),
        cancel=_cancelled(never, running, failed=failed, halted=halted),
        withdraw=_keys(s for s in running if halted and s.kind is StepKind.COMMAND),
        start=()
        if stopping
        else _keys(
            [
                *(step for step in pausing if moment.over(step.retry_at)),
                *(s for s in idle if _open(s, situation) and _ready(s, by_key)),
            ]
        ),
    )


def _wind_up(by_key: Mapping[str, StepSnapshot], moment: _Moment) -> Decision:
    """Groups in their order for the children that cannot go back; all else ends unbegun.

    Whatever a step comes after has ended when its turn comes, well or not.
    """
    running = [step for step in by_key.values() if step.state is StepState.IN_PROGRESS]
    turn = [
        step
        for step in by_key.values()
        if step.state is StepState.NOT_STARTED
        and not step.undoes
        and all(by_key[key].state.ended for key in step.after)
    ]
    never = [step for step in turn if step.kind is not StepKind.GROUP]
    return replace(
        _attend(running, moment, retry=False),
        cancel=_cancelled(never, running, failed=False, halted=True),
        withdraw=_keys(step for step in running if step.kind is StepKind.COMMAND),
        start=_keys(step for step in turn if step.kind is StepKind.GROUP),
    )


def _cancelled(
    never: Iterable[StepSnapshot], running: Iterable[StepSnapshot], *, failed: bool, halted: bool
) -> tuple[str, ...]:
    """A job that is halted waits for nothing; nobody is asked about one that has failed."""
    if not halted:
        return _keys(step for step in running if failed and step.kind is StepKind.MANUAL)
    waits = {StepKind.WAIT, StepKind.MANUAL}
    pauses = [step for step in running if step.retry_at is not None and not failed]
    return _keys([*never, *(s for s in running if s.kind in waits or s in pauses)])


def _take_back(
    by_key: Mapping[str, StepSnapshot],
    undo: Iterable[StepSnapshot],
    moment: _Moment,
    *,
    wanted: bool,
) -> Decision:
    """What comes after all else has ended: the steps that take back what had begun.

    One comes after others that take something back; those that have nothing to take back count as
    done, those that failed do not.
    """

    def has_work(step: StepSnapshot) -> bool:
        return wanted and by_key[step.undoes].begun

    def done(step: StepSnapshot) -> bool:
        return step.state in ENDED_WELL or not has_work(step)

    idle = [step for step in undo if step.state is StepState.NOT_STARTED]
    running = [step for step in undo if step.state is StepState.IN_PROGRESS]
    before = {s.key: [by_key[key] for key in s.after if by_key[key].undoes] for s in idle}
    never = [
        step
        for step in idle
        if not has_work(step) or any(b.state.ended and not done(b) for b in before[step.key])
    ]
    ready = [step for step in idle if step not in never and all(map(done, before[step.key]))]
    again = [step for step in running if moment.over(step.retry_at)]
    return replace(
        _attend(running, moment, retry=True), skip=_keys(never), start=_keys([*again, *ready])
    )


def _attend(running: Sequence[StepSnapshot], moment: _Moment, *, retry: bool) -> Decision:
    """What running steps ask for, whatever else is done."""
    late = [step for step in running if moment.over(step.deadline_at)]
    return Decision(
        give_up=_keys(step for step in late if step.kind is not StepKind.MANUAL),
        escalate=_keys(step for step in late if step.kind is StepKind.MANUAL),
        close=_keys(s for s in running if s.kind is StepKind.GROUP and s.members_left == 0),
        look=_keys(s for s in running if s.kind is StepKind.WAIT and s.retry_at is None),
        wake_at=_wake_at(running, moment, retry=retry),
    )


def next_attempt_at(step: StepSnapshot, now: datetime) -> datetime | None:
    """When a step that just failed in a transient way is tried again; None: not any more.

    The pauses grow from two seconds threefold up to a minute.
    """
    if step.attempts >= step.attempts_allowed:
        return None
    pause = min(FIRST_PAUSE_SECONDS * PAUSE_GROWTH ** (step.attempts - 1), LONGEST_PAUSE_SECONDS)
    return now + timedelta(seconds=pause)


def _outcome(steps: Sequence[StepSnapshot], situation: Situation) -> JobOutcome:
    states = {step.state for step in steps}
    cancelled = StepState.CANCELLED in states
    if situation.halt is Halt.STOP and came_past_return(steps):
        # It cannot go back and does not go on.
        failed = cancelled or StepState.FAILED in states
    else:
        failed = StepState.FAILED in states
        cancelled = cancelled or situation.halt is not Halt.NONE
    if failed:
        return JobOutcome(JobState.FAILED, "Failed")
    if cancelled:
        return JobOutcome(JobState.CANCELLED, "Cancelled")
    if StepState.WARNED in states:
        return JobOutcome(JobState.SUCCEEDED, "CompletedWithInformation")
    return JobOutcome(JobState.SUCCEEDED, "Completed")


def _open(step: StepSnapshot, situation: Situation) -> bool:
    return not step.gate or situation.gates is None or step.gate in situation.gates


def _ready(step: StepSnapshot, by_key: Mapping[str, StepSnapshot]) -> bool:
    return all(by_key[key].state in ENDED_WELL for key in step.after)


def _blocked(step: StepSnapshot, by_key: Mapping[str, StepSnapshot]) -> bool:
    """Comes after something that ended otherwise than well."""
    before = [by_key[key].state for key in step.after]
    return any(state.ended and state not in ENDED_WELL for state in before)


def _wake_at(running: Iterable[StepSnapshot], moment: _Moment, *, retry: bool) -> datetime | None:
    moments = []
    for step in running:
        # A pause that no attempt follows is ended by the decision itself.
        known = (step.retry_at if retry else None, step.deadline_at)
        moments += [each for each in known if each is not None]
        if step.kind is StepKind.WAIT and step.retry_at is None:
            look = moment.now + timedelta(seconds=LOOK_SECONDS)
            moments.append(moment.looks.get(step.key, look))
    return min(moments, default=None)


def _keys(steps: Iterable[StepSnapshot]) -> tuple[str, ...]:
    return tuple(step.key for step in steps)
