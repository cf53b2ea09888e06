"""The graph of NetworkPairing, and the steps that connect a machine's adapters: pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from coordinator.jobs.steps import FailureRule, Graph, Output, StepKind, StepSpec, TaskSpec

SCENARIO = "NetworkPairing"
FRIENDLY_NAME = "Map Networks"
# ASR has no job of its own for a replica that could not be connected with the others.
ATTACH_SCENARIO = "VmNetworksUpdate"
ATTACH_FRIENDLY_NAME = "Attach networks"
UNMAP_SCENARIO = "NetworkUnpairing"
UNMAP_FRIENDLY_NAME = "Unmap networks"

MAP = "ModifyVMNetworksPairingStatusTask"
ATTACH = "VMNetworksUpdateVMNicsTask"

NOTHING_TO_ATTACH = "No replica of a machine on the network has to be connected."
READ_SECONDS = 180
CHANGE_SECONDS = 300


@dataclass(frozen=True)
class Release:
    """An address that is no longer wanted."""

    adapter_id: str
    pool_id: str
    address: str


@dataclass(frozen=True, kw_only=True)
class AdapterTask:
    """An adapter of a replica to connect.

    Attributes:
        network_id: With `subnet_id`; both empty: to nothing.
        pool_id: Out of which it gets an address; empty for none.
        release: An address it had before.
    """

    device_id: str
    network_id: str = ""
    subnet_id: str = ""
    pool_id: str = ""
    release: Release | None = None


@dataclass(frozen=True, kw_only=True)
class MachineNetworks:
    """A replica whose adapters are to be connected.

    Attributes:
        provider_id: The provider of the replica's side.
        changes: What the mark in ItemNetworks counted when this was planned.
    """

    item_id: str
    name: str
    provider_id: str
    vm_id: str
    host: str
    changes: int
    adapters: tuple[AdapterTask, ...] = ()

    @property
    def vm(self) -> dict[str, object]:
        return {"vm_id": self.vm_id, "host": self.host}


def plan_mapping(mapping_id: str, machines: Sequence[MachineNetworks]) -> Graph:
    """Records the mapping, then connects every adapter of existing replicas, a step each.

    Source: SPEC NW-3; ASR's NetworkPairing. An adapter that cannot be connected now stops no other.
    """
    steps: list[StepSpec] = [
        StepSpec(
            key="map",
            task=MAP,
            kind=StepKind.RECORD,
            action="protection.network_mapped",
            inputs={"mapping_id": mapping_id},
        )
    ]
    for machine in machines:
        steps += attach_steps(machine, ATTACH, f"{machine.item_id}/", after=("map",))
    return Graph(tasks=(TaskSpec(MAP, "Map network"), _attach_task(machines)), steps=tuple(steps))


def plan_attachment(machine: MachineNetworks) -> Graph:
    """Connects the adapters of one replica."""
    return Graph(
        tasks=(_attach_task([machine]),), steps=tuple(attach_steps(machine, ATTACH, "", after=()))
    )


def plan_unmapping() -> Graph:
    """The mapping has gone already; what is attached stays as it is. Source: SPEC NW-9."""
    return Graph(
        tasks=(TaskSpec(MAP, "Unmap network"),),
        steps=(
            StepSpec(
                key="unmap", task=MAP, kind=StepKind.RECORD, action="protection.network_unmapped"
            ),
        ),
    )


def _attach_task(machines: Sequence[MachineNetworks]) -> TaskSpec:
    count = sum(len(machine.adapters) for machine in machines)
    return TaskSpec(ATTACH, f"Attach network ({count})", "" if count else NOTHING_TO_ATTACH)


def attach_steps(
    machine: MachineNetworks, task: str, prefix: str, *, after: tuple[str, ...]
) -> Iterator[StepSpec]:
    """Reads the replica's adapters, connects each, gives back and reserves addresses, records.

    Args:
        machine: The replica; without adapters there are no steps.
        task: Which the steps belong to.
        prefix: Of the steps' keys.
        after: What comes before.
    """
    if not machine.adapters:
        return
    pools = sorted({adapter.pool_id for adapter in machine.adapters if adapter.pool_id})
    yield _read(f"{prefix}networks/read", task, machine, pools, after)
    yield StepSpec(
        key=f"{prefix}networks/match",
        task=task,
        kind=StepKind.RECORD,
        action="protection.match_adapters",
        inputs={
            "item_id": machine.item_id,
            "adapters": Output(f"{prefix}networks/read", "adapters", optional=True),
            "pools": Output(f"{prefix}networks/read", "pools", optional=True),
            "wanted": [
                {"device_id": adapter.device_id, "pool_id": adapter.pool_id}
                for adapter in machine.adapters
            ],
        },
        after=(f"{prefix}networks/read",),
    )
    last: list[str] = []
    for number, adapter in enumerate(machine.adapters):
        for step in _adapter_steps(machine, task, prefix, number, adapter):
            yield step
            last.append(step.key)
    yield _record(machine, task, prefix, tuple(last))


def _adapter_steps(
    machine: MachineNetworks, task: str, prefix: str, number: int, adapter: AdapterTask
) -> Iterator[StepSpec]:
    matched = f"{prefix}networks/match"
    adapter_id = Output(matched, f"adapter_{number}")
    attach = f"{prefix}networks/attach/{number}"
    yield _command(
        attach,
        task,
        machine.provider_id,
        "connect_network_adapter",
        {
            "vm": machine.vm,
            "adapter_id": adapter_id,
            "vm_network_id": adapter.network_id,
            "vm_subnet_id": adapter.subnet_id,
        },
        (matched,),
    )
    before = attach
    if adapter.release is not None:
        before = f"{prefix}networks/release/{number}"
        yield _command(
            before,
            task,
            machine.provider_id,
            "release_address",
            _release(adapter.release),
            (attach,),
        )
    if adapter.pool_id:
        yield _command(
            f"{prefix}networks/reserve/{number}",
            task,
            machine.provider_id,
            "reserve_address",
            {
                "adapter_id": adapter_id,
                "static_address_pool_id": adapter.pool_id,
                "address": Output(matched, f"address_{number}"),
                "description": machine.name,
            },
            (before,),
        )


def _record(machine: MachineNetworks, task: str, prefix: str, after: tuple[str, ...]) -> StepSpec:
    seen: list[dict[str, object]] = []
    for number, adapter in enumerate(machine.adapters):
        attach = f"{prefix}networks/attach/{number}"
        entry: dict[str, object] = {
            "device_id": adapter.device_id,
            "network_id": adapter.network_id,
            "seen": Output(attach, "id", optional=True),
            "pool_id": adapter.pool_id,
        }
        if adapter.pool_id:
            reserve = f"{prefix}networks/reserve/{number}"
            entry["address"] = Output(reserve, "address", optional=True)
        seen.append(entry)
    return StepSpec(
        key=f"{prefix}networks/record",
        task=task,
        kind=StepKind.RECORD,
        action="protection.networks_attached",
        inputs={
            "item_id": machine.item_id,
            "changes": machine.changes,
            "adapters": seen,
        },
        after=after,
    )


def release_steps(
    provider_id: str, releases: Sequence[Release], task: str, *, after: tuple[str, ...]
) -> Iterator[StepSpec]:
    """Gives addresses back that are no longer needed. Source: SPEC NW-8."""
    for number, release in enumerate(releases):
        yield _command(
            f"networks/release/{number}",
            task,
            provider_id,
            "release_address",
            _release(release),
            after,
        )


def _release(release: Release) -> dict[str, object]:
    return {
        "adapter_id": release.adapter_id,
        "static_address_pool_id": release.pool_id,
        "address": release.address,
    }


def _read(
    key: str, task: str, machine: MachineNetworks, pools: Sequence[str], after: tuple[str, ...]
) -> StepSpec:
    return StepSpec(
        key=key,
        task=task,
        kind=StepKind.COMMAND,
        action="read_network_adapters",
        provider=machine.provider_id,
        inputs={"vm": machine.vm, "static_address_pool_ids": list(pools)},
        after=after,
        on_failure=FailureRule.WARN,
        time_limit_seconds=READ_SECONDS,
    )


def _command(
    key: str,
    task: str,
    provider_id: str,
    action: str,
    inputs: dict[str, object],
    after: tuple[str, ...],
) -> StepSpec:
    """A step whose failure is told and stops nothing: what is pending is done later."""
    return StepSpec(
        key=key,
        task=task,
        kind=StepKind.COMMAND,
        action=action,
        provider=provider_id,
        inputs=inputs,
        after=after,
        on_failure=FailureRule.WARN,
        time_limit_seconds=CHANGE_SECONDS,
    )
