"""The graph of TestFailover: a test virtual machine beside the replica, connected and started."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from coordinator.jobs.steps import FailureRule, Graph, Output, StepKind, StepSpec, TaskSpec
from coordinator.recovery.gates import Gate
from coordinator.recovery.options import RecoveryTag
from coordinator.recovery.snapshot import MachineSnapshot
from coordinator.recovery.test_failover.network_steps import (
    CREATE,
    CREATED,
    UNDO,
    MadeNetwork,
    creation_steps,
)
from coordinator.recovery.test_failover.options import NetworkChoice
from coordinator.recovery.test_failover.rules import NetworkDraft
from coordinator.recovery.unplanned_failover import WIRE_TAGS

SCENARIO = "TestFailover"
FRIENDLY_NAME = "Test failover"

CHECK = "VmTfoPrerequisitesCheck"
INITIATE = "VmTfoInitiateFailover"
PREPARE = "VmTfoPrepareTestVm"
BOOT = "VmTfoBootTestVm"

UNDO_TEST = "undo/test"

NOTHING_TO_CONNECT = "The test virtual machine is connected to no network."


@dataclass(frozen=True, kw_only=True)
class DrillPlan:
    """What one machine's test does.

    Attributes:
        machine: Its two sides.
        network: What its test virtual machine is connected to.
        pools: VMM's ids of the static pools of an existing network.
        made: The network that is made for the test, and by whom: with a draft by this job.
        draft: What is to be made; None: another job makes it, before this one fails over.
        adapters: How many the machine has.
        production: The network is production's: the machine itself must be off.
        tag: Which recovery point, unless one is given.
        point_id: Hyper-V's id of the point; empty: by the tag.
    """

    machine: MachineSnapshot
    network: NetworkChoice = NetworkChoice.NONE
    pools: tuple[str, ...] = ()
    made: MadeNetwork | None = None
    draft: NetworkDraft | None = None
    adapters: int = 0
    production: bool = False
    tag: RecoveryTag = RecoveryTag.LATEST
    point_id: str = ""

    @property
    def connects(self) -> int:
        """How many adapters are connected."""
        return 0 if self.network is NetworkChoice.NONE else self.adapters


def plan_test_failover(plan: DrillPlan) -> Graph:
    """Makes a test virtual machine of the replica, connects it and starts it.

    The machine and its replication are not touched. A job that does not get to its end takes back
    what it made.

    Source: SPEC FO-1, NW-8; ASR's TestFailover.
    """
    return Graph(
        tasks=(
            TaskSpec(CHECK, "Checking prerequisites for test failover"),
            TaskSpec(INITIATE, "Create test virtual machine"),
            TaskSpec(
                PREPARE,
                "Preparing the virtual machine",
                "" if plan.connects else NOTHING_TO_CONNECT,
            ),
            TaskSpec(BOOT, "Start the virtual machine"),
        ),
        steps=(
            *_check(plan),
            *_networks(plan),
            *_start(plan),
            *_connect(plan),
            *_boot(plan),
            *_undo(plan),
        ),
    )


def _check(plan: DrillPlan) -> Iterator[StepSpec]:
    yield _at_target(
        plan,
        StepSpec(
            key="prerequisites/target",
            task=CHECK,
            kind=StepKind.COMMAND,
            action="read_replication",
            time_limit_seconds=120,
        ),
    )
    after: tuple[str, ...] = ("prerequisites/target",)
    source: object = "Off"
    if plan.production:
        yield plan.machine.on(
            plan.machine.active,
            StepSpec(
                key="prerequisites/source",
                task=CHECK,
                kind=StepKind.COMMAND,
                action="read_virtual_machine",
                time_limit_seconds=120,
            ),
        )
        after = (*after, "prerequisites/source")
        source = Output("prerequisites/source", "state")
    yield StepSpec(
        key="prerequisites/check",
        task=CHECK,
        kind=StepKind.RECORD,
        action="recovery.check_test_failover",
        inputs={
            "mode": Output("prerequisites/target", "mode"),
            "state": Output("prerequisites/target", "state"),
            "test_vm_name": Output("prerequisites/target", "test_vm_name"),
            "recovery_points": Output("prerequisites/target", "recovery_points"),
            "recovery_tag": plan.tag,
            "recovery_point_id": plan.point_id,
            "source_vm_state": source,
        },
        after=after,
    )


def _networks(plan: DrillPlan) -> Iterator[StepSpec]:
    """Makes the network, chooses a place for each adapter, and says what the guest takes."""
    if not plan.connects:
        return
    after, pools = ("prerequisites/check",), list(plan.pools)
    known: object = pools
    if plan.made is not None:
        if plan.draft is not None:
            yield from (
                replace(step, gate=Gate.FAILOVER)
                for step in creation_steps(plan.made, plan.draft, INITIATE, after=after)
            )
            after = (CREATED,)
        yield StepSpec(
            key="network/known",
            task=INITIATE,
            kind=StepKind.RECORD,
            action="recovery.test_network_known",
            inputs={"network": plan.made.row_id},
            after=after,
            gate=Gate.FAILOVER,
        )
        after, known = ("network/known",), Output("network/known", "static_address_pool_ids")
    yield _at_target(
        plan,
        StepSpec(
            key="network/read",
            task=INITIATE,
            kind=StepKind.COMMAND,
            action="read_network_adapters",
            inputs={"static_address_pool_ids": known},
            after=after,
            time_limit_seconds=180,
            gate=Gate.FAILOVER,
        ),
    )
    yield StepSpec(
        key="network/decide",
        task=INITIATE,
        kind=StepKind.RECORD,
        action="recovery.decide_test_network",
        inputs={
            "adapters": plan.adapters,
            "replica_adapters": Output("network/read", "adapters"),
            "pools": Output("network/read", "pools"),
        },
        after=("network/read",),
    )
    for number in range(plan.adapters):
        yield _address(plan, number, INITIATE, ("network/decide",), written=True)


def _start(plan: DrillPlan) -> Iterator[StepSpec]:
    addresses = tuple(f"address/{number}" for number in range(plan.connects))
    yield _at_target(
        plan,
        StepSpec(
            key="test/start",
            task=INITIATE,
            kind=StepKind.COMMAND,
            action="start_test_failover",
            inputs={"recovery_point_id": plan.point_id, "recovery_tag": WIRE_TAGS[plan.tag]},
            after=addresses or ("prerequisites/check",),
            time_limit_seconds=900,
            gate=Gate.FAILOVER,
            expected_seconds=10,
        ),
    )
    yield StepSpec(
        key="test/record",
        task=INITIATE,
        kind=StepKind.RECORD,
        action="recovery.test_machine_made",
        inputs={
            "test_vm_id": Output("test/start", "test_vm_id"),
            "test_vm_name": Output("test/start", "test_vm_name"),
            "failed_over_to": Output("test/start", "failed_over_to", optional=True),
            "last_replication_time": Output("test/start", "last_replication_time", optional=True),
        },
        after=("test/start",),
    )


def _connect(plan: DrillPlan) -> Iterator[StepSpec]:
    """VMM learns of the test virtual machine; its adapters are connected, its addresses kept."""
    if not plan.connects:
        return
    yield StepSpec(
        key="adapters/refresh",
        task=PREPARE,
        kind=StepKind.COMMAND,
        action="refresh_host",
        provider=plan.machine.passive.provider_id,
        inputs={"host": plan.machine.passive.host},
        after=("test/record",),
        time_limit_seconds=600,
        gate=Gate.FAILOVER,
    )
    yield _of_test(plan, "adapters/read", "read_network_adapters", {}, ("adapters/refresh",))
    yield StepSpec(
        key="adapters/match",
        task=PREPARE,
        kind=StepKind.RECORD,
        action="recovery.match_test_adapters",
        inputs={"adapters": plan.adapters, "found": Output("adapters/read", "adapters")},
        after=("adapters/read",),
    )
    for number in range(plan.adapters):
        yield from _adapter(plan, number)


def _adapter(plan: DrillPlan, number: int) -> Iterator[StepSpec]:
    def matched(name: str) -> Output:
        return Output("adapters/match", f"{name}_{number}")

    yield _of_test(
        plan,
        f"connect/{number}",
        "connect_network_adapter",
        {
            "adapter_id": matched("adapter"),
            "vm_network_id": matched("network"),
            "vm_subnet_id": matched("subnet"),
            "leave_as_it_is": matched("leave"),
        },
        ("adapters/match",),
    )
    yield StepSpec(
        key=f"reserve/{number}",
        task=PREPARE,
        kind=StepKind.COMMAND,
        action="reserve_address",
        provider=plan.machine.passive.provider_id,
        inputs={
            "adapter_id": matched("adapter"),
            "static_address_pool_id": matched("pool"),
            "address": matched("address"),
            "description": Output("test/record", "test_vm_name"),
        },
        after=(f"connect/{number}",),
        time_limit_seconds=300,
        gate=Gate.FAILOVER,
    )
    # The test virtual machine has taken its copy along; a failover of the machine writes its own.
    yield _address(plan, number, PREPARE, ("test/record",), written=False)


def _address(
    plan: DrillPlan, number: int, task: str, after: tuple[str, ...], *, written: bool
) -> StepSpec:
    """Writes what a guest takes at its failover to the replica's adapter, or clears it."""

    def decided(name: str) -> Output:
        return Output("network/decide", f"{name}_{number}")

    names = ("address", "subnet_mask", "default_gateway", "dns_servers") if written else ()
    return _at_target(
        plan,
        StepSpec(
            key=f"address/{number}" if written else f"clear/{number}",
            task=task,
            kind=StepKind.COMMAND,
            action="write_failover_address",
            inputs={
                "device_id": decided("device_id"),
                **{name: decided(name) for name in names},
            },
            after=after,
            on_failure=FailureRule.WARN,
            time_limit_seconds=180,
            gate=Gate.FAILOVER,
        ),
    )


def _boot(plan: DrillPlan) -> Iterator[StepSpec]:
    connected = tuple(f"reserve/{number}" for number in range(plan.connects))
    yield replace(
        _of_test(plan, "start", "start_virtual_machine", {}, connected or ("test/record",)),
        task=BOOT,
        time_limit_seconds=900,
        gate=Gate.BOOT,
        expected_seconds=30,
    )
    yield StepSpec(
        key="test/active",
        task=BOOT,
        kind=StepKind.RECORD,
        action="recovery.test_is_active",
        after=("start",),
    )


def _undo(plan: DrillPlan) -> Iterator[StepSpec]:
    yield _at_target(
        plan,
        StepSpec(
            key=UNDO_TEST,
            task=INITIATE,
            kind=StepKind.COMMAND,
            action="stop_test_failover",
            time_limit_seconds=600,
            undoes="test/start",
        ),
    )
    if plan.made is not None and plan.draft is not None and plan.connects:
        yield StepSpec(
            key=UNDO,
            task=INITIATE,
            kind=StepKind.COMMAND,
            action="remove_test_network",
            provider=plan.made.provider_id,
            inputs={"name": plan.made.name, "description": plan.made.description},
            after=(UNDO_TEST,),
            time_limit_seconds=600,
            undoes=CREATE,
        )


def _at_target(plan: DrillPlan, spec: StepSpec) -> StepSpec:
    return plan.machine.on(plan.machine.passive, spec)


def _of_test(
    plan: DrillPlan, key: str, action: str, inputs: Mapping[str, object], after: tuple[str, ...]
) -> StepSpec:
    """A command about the test virtual machine."""
    host = plan.machine.passive.host
    return _at_target(
        plan,
        StepSpec(
            key=key,
            task=PREPARE,
            kind=StepKind.COMMAND,
            action=action,
            inputs={"vm": {"vm_id": Output("test/record", "test_vm_id"), "host": host}, **inputs},
            after=after,
            time_limit_seconds=300,
            gate=Gate.FAILOVER,
        ),
    )
