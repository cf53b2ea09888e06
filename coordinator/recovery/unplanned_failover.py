"""The graph of UnplannedFailover: the replica becomes the machine, whatever the source does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from coordinator.jobs.steps import FailureRule, Graph, Output, StepKind, StepSpec, TaskSpec
from coordinator.recovery.gates import Gate
from coordinator.recovery.options import RecoveryTag
from coordinator.recovery.planned_failover import START, last_of, network_steps, start_step
from coordinator.recovery.snapshot import MachineSnapshot, Side
from coordinator.recovery.undoing import undo_steps

SCENARIO = "UnplannedFailover"
FRIENDLY_NAME = "Failover"

CHECK = "VmUfoPrerequisitesCheck"
SHUT_DOWN = "VmShutdownVmOnPrimary"
PREPARE = "VmPrepareForUnPlannedFailover"
FAIL_OVER = "VmFailover"

NOT_ASKED_FOR = "Operations at the source site were not asked for."
NOT_CONNECTED = "The provider of the source site is not connected."

WIRE_TAGS = {
    RecoveryTag.LATEST: "RECOVERY_TAG_UNSPECIFIED",
    RecoveryTag.LATEST_AVAILABLE: "RECOVERY_TAG_UNSPECIFIED",
    RecoveryTag.LATEST_APPLICATION_CONSISTENT: "RECOVERY_TAG_LATEST_APPLICATION_CONSISTENT",
    RecoveryTag.LATEST_CRASH_CONSISTENT: "RECOVERY_TAG_LATEST_CRASH_CONSISTENT",
}

# A source that may be dying is given this long, and the failover goes on without it.
READ_SECONDS = 20
SHUT_DOWN_SECONDS = 120
SYNCHRONIZE_SECONDS = 180
TURN_OFF_SECONDS = 45


def plan_unplanned_failover(
    machine: MachineSnapshot,
    *,
    source_site_operations: bool,
    tag: RecoveryTag = RecoveryTag.LATEST,
    point_id: str = "",
    repeated: bool = False,
) -> Graph:
    """Fails the replica over with nothing but the recovery side, and starts it.

    Whatever is done at the source may fail without stopping anything, and is left out when its
    provider is not connected. When it is, the source is turned off in any case before the replica
    is failed over: both must never run at once.

    Args:
        machine: Its two sides.
        source_site_operations: The source is shut down in order, and sends its latest changes.
        tag: Which recovery point, unless one is given.
        point_id: Hyper-V's id of the point; empty: by the tag.
        repeated: The replica may have been failed over before: that is discarded first.

    Source: SPEC FO-3; ASR's UnplannedFailover.
    """
    plan = _Plan(
        machine, source_site_operations=source_site_operations and machine.active.connected
    )
    networks = plan.networks()
    shut_down_reason = "" if machine.active.connected else NOT_CONNECTED
    prepare_reason = "" if source_site_operations else NOT_ASKED_FOR
    return Graph(
        tasks=(
            TaskSpec(CHECK, "Checking prerequisites for failover"),
            TaskSpec(SHUT_DOWN, "Shut down the virtual machine", shut_down_reason),
            TaskSpec(
                PREPARE, "Synchronizing the latest changes", prepare_reason or shut_down_reason
            ),
            TaskSpec(FAIL_OVER, "Start failover"),
            TaskSpec(START, "Start the replica virtual machine"),
        ),
        steps=(
            *plan.check(tag, point_id, repeated=repeated),
            *plan.source(),
            *networks,
            *plan.failover(
                last_of(networks),
                {"recovery_point_id": point_id, "recovery_tag": WIRE_TAGS[tag]},
                repeated=repeated,
            ),
            *plan.undo(repeated=repeated),
        ),
    )


def turn_off_steps(
    machine: MachineSnapshot,
    side: Side,
    *,
    turn_off: tuple[str, str],
    look: tuple[str, str],
    after: tuple[str, ...] = (),
) -> Iterator[StepSpec]:
    """Turns a copy off and looks at it, without waiting for its site for long: both may fail.

    Args:
        machine: Its two sides.
        side: The one of the copy.
        turn_off: Task and key of the step that turns it off.
        look: The same of the one that reads its state, "state" in its result.
        after: Keys of the steps before these.
    """
    task, key = turn_off
    yield _best_effort(
        machine,
        side,
        StepSpec(
            key=key,
            task=task,
            kind=StepKind.COMMAND,
            action="stop_virtual_machine",
            inputs={"turn_off": True},
            after=after,
            time_limit_seconds=TURN_OFF_SECONDS,
            gate=Gate.FAILOVER,
            expected_seconds=3,
        ),
    )
    look_task, look_key = look
    yield _best_effort(
        machine,
        side,
        StepSpec(
            key=look_key,
            task=look_task,
            kind=StepKind.COMMAND,
            action="read_virtual_machine",
            after=(key,),
            time_limit_seconds=READ_SECONDS,
            gate=Gate.FAILOVER,
        ),
    )


def _best_effort(machine: MachineSnapshot, side: Side, spec: StepSpec) -> StepSpec:
    return machine.on(side, replace(spec, on_failure=FailureRule.WARN, attempts=1))


class _Plan:
    """The parts of the graph for one machine."""

    def __init__(self, machine: MachineSnapshot, *, source_site_operations: bool) -> None:
        self.machine = machine
        self.source_site_operations = source_site_operations
        self.connected = machine.active.connected

    def check(self, tag: RecoveryTag, point_id: str, *, repeated: bool) -> Iterator[StepSpec]:
        yield self.machine.on(
            self.machine.passive,
            StepSpec(
                key="prerequisites/target",
                task=CHECK,
                kind=StepKind.COMMAND,
                action="read_replication",
                time_limit_seconds=120,
            ),
        )
        if self.connected:
            yield self._at_source(
                StepSpec(
                    key="prerequisites/source",
                    task=CHECK,
                    kind=StepKind.COMMAND,
                    action="read_replication",
                    time_limit_seconds=READ_SECONDS,
                )
            )
        source = ("prerequisites/source",) if self.connected else ()
        yield StepSpec(
            key="prerequisites/check",
            task=CHECK,
            kind=StepKind.RECORD,
            action="recovery.check_unplanned_failover",
            inputs={
                "target_mode": Output("prerequisites/target", "mode"),
                "target_state": Output("prerequisites/target", "state"),
                "target_vm_state": Output("prerequisites/target", "vm_state"),
                "recovery_points": Output("prerequisites/target", "recovery_points"),
                "recovery_tag": tag,
                "recovery_point_id": point_id,
                "repeated": repeated,
                "source_vm_state": self._of_source("prerequisites/source", "vm_state"),
            },
            after=("prerequisites/target", *source),
        )

    def networks(self) -> tuple[StepSpec, ...]:
        """As with a planned failover, but the source is not waited for long."""
        steps = network_steps(self.machine, PREPARE if self.source_site_operations else FAIL_OVER)
        source = self.machine.active.provider_id
        if source == self.machine.passive.provider_id:
            return steps
        return tuple(
            replace(step, time_limit_seconds=READ_SECONDS, attempts=1)
            if step.provider == source
            else step
            for step in steps
        )

    def source(self) -> Iterator[StepSpec]:
        """What is done where the machine ran; none of it is waited for long."""
        if not self.connected:
            return
        after: tuple[str, ...] = ("prerequisites/check",)
        if self.source_site_operations:
            yield self._at_source(
                StepSpec(
                    key="shut-down",
                    task=SHUT_DOWN,
                    kind=StepKind.COMMAND,
                    action="stop_virtual_machine",
                    after=after,
                    time_limit_seconds=SHUT_DOWN_SECONDS,
                    gate=Gate.SHUTDOWN,
                    expected_seconds=30,
                )
            )
            yield self._at_source(
                StepSpec(
                    key="prepare",
                    task=PREPARE,
                    kind=StepKind.COMMAND,
                    action="prepare_failover",
                    after=("shut-down",),
                    time_limit_seconds=SYNCHRONIZE_SECONDS,
                    gate=Gate.FAILOVER,
                    expected_seconds=15,
                )
            )
            after = ("prepare",)
        yield from turn_off_steps(
            self.machine,
            self.machine.active,
            turn_off=(SHUT_DOWN, "turn-off"),
            look=(FAIL_OVER, "source/read"),
            after=after,
        )

    def failover(
        self, networks: tuple[str, ...], point: dict[str, object], *, repeated: bool
    ) -> Iterator[StepSpec]:
        before = "source/read" if self.connected else "prerequisites/check"
        yield StepSpec(
            key="failover/begin",
            task=FAIL_OVER,
            kind=StepKind.RECORD,
            action="recovery.unplanned_failover_begins",
            inputs={"source_vm_state": self._of_source("source/read", "state")},
            after=(before, *networks),
            gate=Gate.FAILOVER,
        )
        after = "failover/begin"
        if repeated:
            after = "failover/discard"
            yield self._at_target("cancel_failover", after, ("failover/begin",), {})
        yield self._at_target("start_failover", "failover/start", (after,), point)
        yield StepSpec(
            key="failover/record",
            task=FAIL_OVER,
            kind=StepKind.RECORD,
            action="recovery.failed_over_unplanned",
            inputs={
                "last_replication_time": Output(
                    "failover/start", "last_replication_time", optional=True
                ),
                "failed_over_to": Output("failover/start", "failed_over_to", optional=True),
                "source_last_replication_time": self._of_source(
                    "prerequisites/source", "last_replication_time"
                ),
                "source_prepared": (
                    Output("prepare", "state", optional=True) if self.source_site_operations else ""
                ),
                "source_vm_state": self._of_source("source/read", "state"),
            },
            after=("failover/start",),
        )
        yield start_step(self.machine, after="failover/record")

    def undo(self, *, repeated: bool) -> tuple[StepSpec, ...]:
        """For a job that ends before the replica is failed over."""
        if repeated or not self.connected:
            return ()
        former_state = Output("prerequisites/check", "source_vm_state")
        return undo_steps(
            self.machine,
            prepare=(PREPARE, "prepare") if self.source_site_operations else None,
            shut_down=(SHUT_DOWN, "shut-down" if self.source_site_operations else "turn-off"),
            former_state=former_state,
        )

    def _of_source(self, step: str, field: str) -> object:
        return Output(step, field, optional=True) if self.connected else ""

    def _at_source(self, spec: StepSpec) -> StepSpec:
        return _best_effort(self.machine, self.machine.active, spec)

    def _at_target(
        self, action: str, key: str, after: tuple[str, ...], inputs: dict[str, object]
    ) -> StepSpec:
        return self.machine.on(
            self.machine.passive,
            StepSpec(
                key=key,
                task=FAIL_OVER,
                kind=StepKind.COMMAND,
                action=action,
                inputs=inputs,
                after=after,
                time_limit_seconds=900,
                point_of_no_return=True,
                gate=Gate.FAILOVER,
                expected_seconds=10,
            ),
        )
