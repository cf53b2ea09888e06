"""A real agent whose verbs only wait: session, executor and journal as they are, no PowerShell."""

from __future__ import annotations

import argparse
import asyncio
import random
from collections.abc import Iterable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from google.protobuf.message import Message
from opensiterecovery.provider.v1.command_pb2 import CommandResult, VirtualMachineState
from opensiterecovery.provider.v1.first_copy_pb2 import FirstCopyPlace
from opensiterecovery.provider.v1.replication_pb2 import ReplicationState
from opensiterecovery.provider.v1.role_pb2 import RoleAssignment
from opensiterecovery.provider.v1.session_pb2 import AgentMessage, Welcome

from agent.clock import utc_now
from agent.identity import load_identity
from agent.journal.commands import CommandJournal
from agent.journal.database import Database
from agent.journal.host_keys import HostKeyStore
from agent.powershell.interface import PowerShell
from agent.root_tasks import guarded
from agent.running import stop_on_signals
from agent.session.executor import CommandExecutor, Fabric
from agent.session.outbound import Outbound
from agent.session.renewal import CertificateRenewal
from agent.session.runner import Retries, SessionRunner
from agent.session.session import Introduction, SessionParts
from agent.state_folder import StateFolder
from agent.verbs.context import VerbContext
from agent.verbs.registry import Verb
from coordinator.config.logs import configure_logs
from tests.bench.plan.action_log import END, START, ActionLog
from tests.bench.plan.workload import Machine, make_machines, which_machine

# The actions of a machine, in order.
ACTION_VERBS = (
    "stop_virtual_machine",
    "prepare_failover",
    "start_failover",
    "start_virtual_machine",
    "complete_failover",
)


class NothingToWatch:
    """In the place of discovery and watching."""

    async def session_opened(self, welcome: Welcome) -> None:
        """Nothing to tell."""

    async def inventory_stored(self, revision: int) -> None:
        """None was sent."""

    async def inventory_requested(self, *, full: bool) -> None:
        """There is none."""

    async def replication_watched(self, vm_ids: Sequence[str]) -> None:
        """Nothing replicates."""

    async def first_copies_watched(self, places: Iterable[FirstCopyPlace]) -> None:
        """There are none."""

    async def roles_assigned(self, assignments: Sequence[RoleAssignment]) -> None:
        """Nothing is kept to."""


@cache
def machines(count: int) -> list[Machine]:
    return make_machines(count)


def stub_verbs(log: ActionLog) -> dict[str, Verb]:
    """The five actions, each as long as the workload says."""

    async def wait(action: int, request: Any, _context: VerbContext) -> Message:
        vm = request.vm
        count, number = which_machine(vm.vm_id)
        seconds = machines(count)[number].seconds[action]
        log.write(START, number, action)
        await asyncio.sleep(seconds)
        log.write(END, number, action)
        if ACTION_VERBS[action].endswith("_virtual_machine"):
            return VirtualMachineState(
                vm_id=vm.vm_id, host=vm.host, name=f"vm{number}", state="Running", generation=2
            )
        return ReplicationState(
            vm_id=vm.vm_id, host=vm.host, mode="Replica", state="FailedOverWaitingCompletion"
        )

    return {verb: partial(wait, action) for action, verb in enumerate(ACTION_VERBS)}


def no_powershell(command_id: UUID) -> PowerShell:
    del command_id
    # Stub verbs never ask.
    return None  # type: ignore[return-value]


async def run(folder: StateFolder, log: ActionLog) -> int:
    """Serves until told to stop."""
    stop = asyncio.Event()
    stop_on_signals(stop)
    identity = await asyncio.to_thread(load_identity, folder.identity)
    database = Database(folder.journal(identity.provider_id))
    journal = CommandJournal(database, utc_now)
    outbound = Outbound()

    async def announce(result: CommandResult) -> None:
        await outbound.send(AgentMessage(result=result))

    async def no_inventory() -> int:
        return 0

    verbs = stub_verbs(log)
    executor = CommandExecutor(
        journal,
        Fabric(powershell=no_powershell, host_keys=HostKeyStore(database, utc_now), verbs=verbs),
        announce,
        utc_now,
    )
    parts = SessionParts(
        introduction=Introduction(
            agent_version="bench",
            instance_id=str(uuid4()),
            capabilities=tuple(verbs),
            vmm_product_version=identity.vmm_product_version,
            inventory_revision=no_inventory,
        ),
        journal=journal,
        executor=executor,
        outbound=outbound,
        watch=NothingToWatch(),
        clock=utc_now,
    )
    runner = SessionRunner(
        parts,
        folder,
        CertificateRenewal(folder, utc_now),
        Retries.with_random(random.random),
    )
    try:
        return await guarded({"sessions": runner.run(), "executor": executor.run()}, stop)
    finally:
        database.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("log", type=Path)
    options = parser.parse_args()
    configure_logs()
    return asyncio.run(run(StateFolder(options.folder), ActionLog(options.log)))


if __name__ == "__main__":
    raise SystemExit(main())
