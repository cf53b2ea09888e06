"""The steps of a failover that are about networks: failover addresses, and the way back (NW-7)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from coordinator.jobs.steps import FailureRule, Graph, Output, StepKind, StepSpec, TaskSpec
from coordinator.protection.networks.planner import ATTACH

WRITE_SECONDS = 180
CHANGE_SECONDS = 300


@dataclass(frozen=True)
class FailoverAddress:
    """What the guest is to take on an adapter; no address: what was written before is cleared."""

    device_id: str
    address: str = ""
    subnet_mask: str = ""
    default_gateway: str = ""
    dns_servers: tuple[str, ...] = ()


@dataclass(frozen=True)
class CopyPlace:
    """One copy of the machine and the provider that reaches it."""

    provider_id: str
    vm_id: str
    host: str

    @property
    def vm(self) -> dict[str, object]:
        return {"vm_id": self.vm_id, "host": self.host}


@dataclass(frozen=True, kw_only=True)
class WayBackPlan:
    """The adapters of the original, which the machine comes back to.

    Attributes:
        source: The copy that runs, on the recovery side.
        target: The original.
        adapters: How many the item has.
        pools: Ids of the primary server's pools that an address may be needed from.
    """

    item_id: str
    name: str
    source: CopyPlace
    target: CopyPlace
    adapters: int
    pools: tuple[str, ...] = ()


@dataclass(frozen=True)
class FailoverNetworks:
    """What a failover has to do about networks; nothing, if both are empty.

    Attributes:
        target: The replica.
        addresses: To be written for it; only away from the primary side.
        way_back: Only back to it.
    """

    target: CopyPlace | None = None
    addresses: tuple[FailoverAddress, ...] = field(default=())
    way_back: WayBackPlan | None = None


def failover_network_steps(
    networks: FailoverNetworks, task: str, *, after: tuple[str, ...]
) -> tuple[StepSpec, ...]:
    """What is to be done before the replica is failed over; every failure only warns.

    A machine without its network is worth more than no machine: so ASR goes on, too.
    """
    if networks.way_back is not None:
        return tuple(_back(networks.way_back, task, after))
    if networks.target is None:
        return ()
    return tuple(
        _write(f"networks/address/{number}", task, networks.target, _constant(address), after)
        for number, address in enumerate(networks.addresses)
    )


def plan_way_back(plan: WayBackPlan, changes: int) -> Graph:
    """Connects the original's adapters now, as a failback would. Source: SPEC NW-3, NW-7."""
    steps = [step for step in _back(plan, ATTACH, ()) if "/address/" not in step.key]
    last = [step.key for step in steps]
    done = StepSpec(
        key="networks/record",
        task=ATTACH,
        kind=StepKind.RECORD,
        action="protection.networks_attached",
        inputs={"item_id": plan.item_id, "changes": changes, "adapters": []},
        after=tuple(last),
    )
    task = TaskSpec(ATTACH, f"Attach network ({plan.adapters})")
    return Graph(tasks=(task,), steps=(*steps, done))


def _constant(address: FailoverAddress) -> dict[str, object]:
    return {
        "device_id": address.device_id,
        "address": address.address,
        "subnet_mask": address.subnet_mask,
        "default_gateway": address.default_gateway,
        "dns_servers": list(address.dns_servers),
    }


def _back(plan: WayBackPlan, task: str, after: tuple[str, ...]) -> Iterator[StepSpec]:
    if not plan.adapters:
        return
    for side, place, pools in (
        ("source", plan.source, ()),
        ("target", plan.target, plan.pools),
    ):
        yield StepSpec(
            key=f"networks/{side}",
            task=task,
            kind=StepKind.COMMAND,
            action="read_network_adapters",
            provider=place.provider_id,
            inputs={"vm": place.vm, "static_address_pool_ids": list(pools)},
            after=after,
            on_failure=FailureRule.WARN,
            time_limit_seconds=WRITE_SECONDS,
        )
    yield StepSpec(
        key="networks/decide",
        task=task,
        kind=StepKind.RECORD,
        action="protection.decide_way_back",
        inputs={
            "item_id": plan.item_id,
            "running": Output("networks/source", "adapters", optional=True),
            "originals": Output("networks/target", "adapters", optional=True),
            "pools": Output("networks/target", "pools", optional=True),
        },
        after=("networks/source", "networks/target"),
    )
    for number in range(plan.adapters):
        yield from _adapter_back(plan, task, number)


def _adapter_back(plan: WayBackPlan, task: str, number: int) -> Iterator[StepSpec]:
    def decided(name: str) -> Output:
        return Output("networks/decide", f"{name}_{number}")

    yield _command(
        f"networks/attach/{number}",
        task,
        plan.target,
        "connect_network_adapter",
        {
            "vm": plan.target.vm,
            "adapter_id": decided("adapter"),
            "vm_network_id": decided("network"),
            "vm_subnet_id": decided("subnet"),
            "leave_as_it_is": decided("leave"),
        },
        ("networks/decide",),
    )
    yield _command(
        f"networks/reserve/{number}",
        task,
        plan.target,
        "reserve_address",
        {
            "adapter_id": decided("adapter"),
            "static_address_pool_id": decided("pool"),
            "address": decided("reserved"),
            "description": plan.name,
        },
        (f"networks/attach/{number}",),
    )
    written = {
        name: decided(name)
        for name in ("address", "subnet_mask", "default_gateway", "dns_servers", "device_id")
    }
    yield _write(
        f"networks/address/{number}",
        task,
        plan.target,
        dict(written),
        (f"networks/reserve/{number}",),
    )


def _write(
    key: str, task: str, place: CopyPlace, inputs: dict[str, object], after: tuple[str, ...]
) -> StepSpec:
    return _command(key, task, place, "write_failover_address", {"vm": place.vm, **inputs}, after)


def _command(
    key: str,
    task: str,
    place: CopyPlace,
    action: str,
    inputs: dict[str, object],
    after: tuple[str, ...],
) -> StepSpec:
    return StepSpec(
        key=key,
        task=task,
        kind=StepKind.COMMAND,
        action=action,
        provider=place.provider_id,
        inputs=inputs,
        after=after,
        on_failure=FailureRule.WARN,
        time_limit_seconds=CHANGE_SECONDS,
    )
