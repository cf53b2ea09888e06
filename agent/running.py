"""The running agent: its parts, wired together, until it is told to stop or one of them dies."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final
from uuid import uuid4

import structlog
from opensiterecovery.provider.v1.command_pb2 import CommandResult
from opensiterecovery.provider.v1.session_pb2 import AgentMessage, CommandProgress

from agent.clock import Clock, utc_now
from agent.exit_codes import ExitCode
from agent.fabric.first_copy_watch import FirstCopyWatch
from agent.fabric.inventory_watch import InventorySettings, InventoryWatch
from agent.fabric.replication_watch import ReplicationSettings, ReplicationWatch
from agent.fabric.watch import Watch
from agent.identity import Identity, load_identity
from agent.journal.commands import CommandJournal
from agent.journal.database import Database
from agent.journal.host_keys import HostKeyStore
from agent.journal.inventory_base import JournalInventoryBase
from agent.journal.roles import RoleStore
from agent.journal.state_lock import StateLock
from agent.powershell.pool import NO_COMMAND, PowerShellPool
from agent.powershell.transport import StartTransport
from agent.roles.gate import RoleGate
from agent.roles.keeper import KeeperParts, RoleKeeper
from agent.root_tasks import guarded
from agent.session.executor import CommandExecutor, Fabric
from agent.session.outbound import Outbound
from agent.session.renewal import CertificateRenewal
from agent.session.runner import Retries, SessionRunner
from agent.session.session import Introduction, SessionParts
from agent.session.turns import MachineTurns
from agent.state_folder import StateFolder
from agent.verbs.registry import VERBS
from agent.version import agent_version

log = structlog.get_logger(__name__)

RETENTION: Final = timedelta(days=7)
PRUNE_INTERVAL_SECONDS: Final = 3600.0
CLOSE_SECONDS: Final = 5.0


@dataclass(frozen=True)
class AgentSettings:
    """What the running agent is started with.

    Attributes:
        folder: Its state.
        powershell: The program that speaks PSRP, or a function that starts a transport.
        vmm_server: Name of the VMM server or cluster role.
        runspaces: PowerShell pipelines that run at the same time.
        clock: The time.
    """

    folder: StateFolder
    powershell: Sequence[str] | StartTransport
    vmm_server: str = "localhost"
    script_library_path: str = ""
    runspaces: int = 8
    clock: Clock = utc_now


async def run_agent(settings: AgentSettings, stop: asyncio.Event) -> ExitCode:
    """Runs until `stop` is set or a part dies.

    Commands that run when it stops stay in the journal; the next run goes on with them.

    Returns:
        OK when it was told to stop, otherwise FAILED.

    Raises:
        AlreadyRunningError: Another process works with the folder.
        IdentityError: The agent is not registered.
        JournalError: The journal cannot be read.
    """
    lock = StateLock(settings.folder.lock)
    try:
        identity = await asyncio.to_thread(load_identity, settings.folder.identity)
        database = Database(settings.folder.journal(identity.provider_id))
        try:
            return await _run(settings, identity, database, stop)
        finally:
            database.close()
    finally:
        lock.release()


async def _run(
    settings: AgentSettings, identity: Identity, database: Database, stop: asyncio.Event
) -> ExitCode:
    log.info(
        "agent.started",
        version=agent_version(),
        vault=identity.vault_name,
        provider_id=str(identity.provider_id),
        endpoint=identity.endpoint,
    )
    pool = PowerShellPool(settings.powershell, max_runspaces=settings.runspaces)
    journal = CommandJournal(database, settings.clock)
    outbound = Outbound()
    base = JournalInventoryBase(database)
    turns = MachineTurns()
    keeper = _keeper(settings, pool, database, outbound, turns)
    watch = _watch(settings, pool, base, outbound, keeper)
    fabric = replace(
        _fabric(settings, pool, database, outbound, watch),
        gate=RoleGate(RoleStore(database)),
        turns=turns,
        before_start=keeper.before_start,
        touched=watch.inventory.touched,
    )
    executor = _executor(settings, journal, outbound, fabric)
    parts = SessionParts(
        introduction=Introduction(
            agent_version=agent_version(),
            instance_id=str(uuid4()),
            capabilities=tuple(VERBS),
            vmm_product_version=identity.vmm_product_version,
            inventory_revision=lambda: asyncio.to_thread(base.revision),
        ),
        journal=journal,
        executor=executor,
        outbound=outbound,
        watch=watch,
        clock=settings.clock,
    )
    runner = SessionRunner(
        parts,
        settings.folder,
        CertificateRenewal(settings.folder, settings.clock),
        Retries.with_random(random.random),
    )
    try:
        return await guarded(
            {
                "sessions": runner.run(),
                "executor": executor.run(),
                "watch": watch.run(),
                "pruning": _prune(journal),
            },
            stop,
        )
    finally:
        await _close(pool)


def _executor(
    settings: AgentSettings, journal: CommandJournal, outbound: Outbound, fabric: Fabric
) -> CommandExecutor:
    async def announce(result: CommandResult) -> None:
        await outbound.send(AgentMessage(result=result))

    return CommandExecutor(journal, fabric, announce, settings.clock, monotonic=time.monotonic)


def _fabric(
    settings: AgentSettings,
    pool: PowerShellPool,
    database: Database,
    outbound: Outbound,
    watch: Watch,
) -> Fabric:
    async def tell(progress: CommandProgress) -> None:
        await outbound.send(AgentMessage(progress=progress))

    return Fabric(
        powershell=pool.for_command,
        host_keys=HostKeyStore(database, settings.clock),
        verbs=VERBS,
        vmm_server=settings.vmm_server,
        script_library_path=settings.script_library_path,
        tell=tell,
        refresh=watch.refresh,
    )


def _keeper(
    settings: AgentSettings,
    pool: PowerShellPool,
    database: Database,
    outbound: Outbound,
    turns: MachineTurns,
) -> RoleKeeper:
    parts = KeeperParts(
        powershell=pool.for_command(NO_COMMAND),
        host_keys=HostKeyStore(database, settings.clock),
        store=RoleStore(database),
        turns=turns,
        send=outbound.send,
    )
    return RoleKeeper(parts, settings.clock)


def _watch(
    settings: AgentSettings,
    pool: PowerShellPool,
    base: JournalInventoryBase,
    outbound: Outbound,
    keeper: RoleKeeper,
) -> Watch:
    own = pool.for_command(NO_COMMAND)
    replication = ReplicationWatch(own, outbound.send, ReplicationSettings(), settings.clock)
    inventory = InventoryWatch(
        own,
        base,
        outbound.send,
        InventorySettings(vmm_server=settings.vmm_server),
        replication.set_inventory,
        settings.clock,
    )
    first_copies = FirstCopyWatch(own, outbound.send, clock=settings.clock)
    return Watch(inventory, replication, first_copies, keeper)


async def _prune(journal: CommandJournal) -> None:
    while True:
        forgotten = await asyncio.to_thread(journal.prune, RETENTION)
        if forgotten:
            log.info("journal.pruned", commands=forgotten)
        await asyncio.sleep(PRUNE_INTERVAL_SECONDS)


async def _close(pool: PowerShellPool) -> None:
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await pool.close()
    except TimeoutError:
        log.warning("powershell.did_not_leave", seconds=CLOSE_SECONDS)


def stop_on_signals(stop: asyncio.Event) -> None:
    """Sets the event on SIGTERM and SIGINT (on Windows: a service stop, Ctrl-C, Ctrl-Break)."""
    loop = asyncio.get_running_loop()

    def ask_to_stop(number: int, _frame: object) -> None:
        log.info("agent.stopping", signal=signal.Signals(number).name)
        loop.call_soon_threadsafe(stop.set)

    for name in ("SIGTERM", "SIGINT", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is not None:
            # Not add_signal_handler: Windows' event loop has none.
            signal.signal(number, ask_to_stop)
