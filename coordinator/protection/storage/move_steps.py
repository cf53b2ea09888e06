"""The steps of EnableDr that put a new replica's disks on the storage chosen for them."""

from __future__ import annotations

from collections.abc import Iterator

from coordinator.jobs.steps import Output, StepKind, StepSpec

# Only a machine whose first copy has not begun is moved: its files are as good as empty.
MOVE_SECONDS = 900


def move_steps(task: str, provider_id: str, vm_id: str) -> Iterator[StepSpec]:
    """Moves what Hyper-V Replica put at the host's default path, and keeps where it is then.

    Hyper-V places a whole replica by the primary's authorization, never a disk by its machine; so
    its storage is moved when it is there, before anything is copied.

    Args:
        task: The task the steps belong to.
        provider_id: The provider of the recovery fabric; empty when none of the machine's
            classifications is mapped, and then there is no step.
        vm_id: Hyper-V's id.

    Source: SPEC ST-2.
    """
    if not provider_id:
        return
    yield StepSpec(
        key="enable/storage",
        task=task,
        kind=StepKind.COMMAND,
        action="move_replica_storage",
        provider=provider_id,
        inputs={
            "vm": {"vm_id": vm_id, "host": Output("target/choose", "host")},
            "disks": Output("target/choose", "disks"),
            "other_hosts": Output("target/choose", "other_hosts"),
            "configuration_location": Output("target/choose", "configuration_location"),
        },
        time_limit_seconds=MOVE_SECONDS,
    )
    yield StepSpec(
        key="enable/storage-record",
        task=task,
        kind=StepKind.RECORD,
        action="protection.storage_moved",
        inputs={"disk_paths": Output("enable/storage", "disk_paths")},
    )
