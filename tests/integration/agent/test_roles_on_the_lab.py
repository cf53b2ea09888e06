"""The role keeper, the gate and starting, on a simulated host."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from opensiterecovery.provider.v1.command_pb2 import (
    ReadVirtualMachine,
    StartVirtualMachine,
    StopVirtualMachine,
)
from opensiterecovery.provider.v1.role_pb2 import (
    ROLE_ACTIVE,
    ROLE_HELD,
    ROLE_REPLICA,
    ROLE_UNDECIDED,
    HeldAdapter,
    Role,
    RoleAssignment,
)

from agent.clock import utc_now
from agent.fabric.host_replication import read_host_replication
from agent.journal.commands import CommandJournal
from agent.journal.database import Database
from agent.journal.host_keys import HostKeyStore
from agent.powershell.pool import NO_COMMAND
from agent.roles.by_hand import ByHand, shown
from deploy.lab.site.clock import SiteClock
from deploy.lab.site.environment import Environment
from deploy.lab.site.power import boot, open_site, shut_down
from deploy.lab.site.topology import parse_topology
from tests.integration.agent.failover_stage import EAST
from tests.integration.agent.role_stage import ITEM, TOPOLOGY, Agent, RoleStage

pytestmark = pytest.mark.spec("FO-7")


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[RoleStage]:
    topology = parse_topology(TOPOLOGY)
    environment = Environment(state_dir=tmp_path / "sites", clock=SiteClock(speed=30))
    site = open_site(topology, "East", environment)
    await boot(site)
    made = RoleStage(tmp_path, topology, environment, site)
    yield made
    await made.end_agents()
    await shut_down(made.site)


@pytest.fixture
async def agent(stage: RoleStage) -> Agent:
    return await stage.agent()


async def test_hosts_start_no_machine_whose_owners_choice_is_kept(
    stage: RoleStage, agent: Agent
) -> None:
    await agent.assign(ROLE_ACTIVE, automatic_start_action="StartIfRunning")
    assert agent.vm.automatic_start_action == "Nothing"
    assert agent.vm.state.value == "Running"
    await stage.cut_power()
    await stage.give_power()
    back = await stage.agent()
    assert back.vm.state.value == "Off"


async def test_before_the_choice_is_kept_nothing_is_changed(agent: Agent) -> None:
    given = RoleAssignment(
        item_id=ITEM, vm_id=agent.vm.vm_id, location="Primary", host=EAST, epoch=1, role=ROLE_ACTIVE
    )
    await agent.keeper.assigned([given])
    await agent.keeper.keep()
    assert agent.vm.automatic_start_action == "StartIfRunning"


async def test_a_held_copy_is_off_and_disconnected_and_said_to_be(agent: Agent) -> None:
    switch = agent.switch
    assert switch is not None
    await agent.assign(ROLE_HELD, epoch=2)
    assert (agent.vm.state.value, agent.switch) == ("Off", None)
    [copy] = agent.sent[-1].copies
    assert (copy.item_id, copy.location, copy.epoch, copy.held) == (ITEM, "Primary", 2, True)
    assert [adapter.switch_name for adapter in copy.adapters] == [switch]
    effects = [each.effect for each in agent.site.effects.read()]
    assert effects.index("network_adapter.disconnected") < effects.index("vm.turned_off")
    before = len(effects)
    await agent.keeper.keep()
    assert len(agent.site.effects.read()) == before
    assert len(agent.sent) == 1


async def test_a_held_copy_that_somebody_starts_is_turned_off_again(agent: Agent) -> None:
    await agent.assign(ROLE_HELD, epoch=2)
    host = agent.site.host(EAST)
    await agent.site.start_vm(host, agent.vm, None)
    await agent.keeper.keep()
    assert agent.vm.state.value == "Off"


@pytest.mark.parametrize("role", [ROLE_ACTIVE, ROLE_REPLICA])
async def test_what_was_disconnected_is_put_back_when_it_is_decided(
    agent: Agent, role: Role.ValueType
) -> None:
    switch = agent.switch
    await agent.assign(ROLE_HELD, epoch=2)
    await agent.assign(role, epoch=3)
    assert (agent.vm.state.value, agent.switch) == ("Off", switch)
    assert not agent.sent[-1].copies


async def test_while_it_is_undecided_a_held_copy_stays_as_it_is(agent: Agent) -> None:
    await agent.assign(ROLE_HELD, epoch=2)
    await agent.assign(ROLE_UNDECIDED, epoch=2)
    assert (agent.vm.state.value, agent.switch) == ("Off", None)


async def test_an_older_epoch_changes_nothing(agent: Agent) -> None:
    await agent.assign(ROLE_HELD, epoch=2)
    await agent.assign(ROLE_ACTIVE, epoch=1)
    assert agent.switch is None
    refused = await agent.deliver(
        agent.command(start_virtual_machine=StartVirtualMachine(vm=agent.ref(1)))
    )
    assert refused.failure.code == "RoleEpochSuperseded"
    looked = await agent.deliver(
        agent.command(read_virtual_machine=ReadVirtualMachine(vm=agent.ref(1)))
    )
    assert looked.virtual_machine.state == "Off"


async def test_a_held_copy_is_not_started_by_a_command_without_an_epoch(agent: Agent) -> None:
    await agent.assign(ROLE_HELD, epoch=2)
    for epoch in (0, 2):
        command = agent.command(start_virtual_machine=StartVirtualMachine(vm=agent.ref(epoch)))
        assert (await agent.deliver(command)).failure.code == "VirtualMachineHeld"
    assert agent.vm.state.value == "Off"


async def test_a_command_of_a_newer_epoch_connects_and_starts_what_was_held(agent: Agent) -> None:
    switch = agent.switch
    await agent.assign(ROLE_HELD, epoch=2)
    started = await agent.deliver(
        agent.command(start_virtual_machine=StartVirtualMachine(vm=agent.ref(3)))
    )
    assert started.virtual_machine.state == "Running"
    assert agent.switch == switch
    # The old assignment, late, holds nothing any more.
    await agent.assign(ROLE_HELD, epoch=2)
    assert (agent.vm.state.value, agent.switch) == ("Running", switch)
    connected, begun = (
        next(number for number, each in enumerate(effects) if each == name)
        for effects in [[each.effect for each in agent.site.effects.read()][-2:]]
        for name in ("network_adapter.connected", "vm.started")
    )
    assert connected < begun


async def test_another_protection_of_the_machine_counts_its_epochs_anew(agent: Agent) -> None:
    await agent.assign(ROLE_ACTIVE, epoch=7)
    await agent.assign(ROLE_ACTIVE, epoch=1, item_id="item-2")
    stopped = await agent.deliver(
        agent.command(stop_virtual_machine=StopVirtualMachine(vm=agent.ref(1), turn_off=True))
    )
    assert stopped.virtual_machine.state == "Off"


async def test_when_protection_ends_the_host_starts_the_machine_as_its_owner_had_it(
    agent: Agent,
) -> None:
    await agent.assign(ROLE_ACTIVE)
    await agent.keeper.assigned([])
    await agent.keeper.keep()
    assert agent.vm.automatic_start_action == "StartIfRunning"
    assert agent.store.copies() == []


async def test_a_copy_that_is_left_over_when_protection_ends_starts_by_nobody(agent: Agent) -> None:
    await agent.assign(ROLE_HELD, epoch=2)
    await agent.keeper.assigned([])
    await agent.keeper.keep()
    assert (agent.vm.automatic_start_action, agent.switch) == ("Nothing", None)
    assert agent.store.copies() == []


@pytest.mark.spec("FO-7", "SS-3")
async def test_an_agent_whose_journal_was_lost_puts_back_what_it_had_taken_off(
    stage: RoleStage, agent: Agent
) -> None:
    switch = agent.switch
    await agent.assign(ROLE_HELD, epoch=2)
    told = list(agent.sent[-1].copies[0].adapters)
    await stage.end_agents()
    other = await stage.agent("another-journal")
    await other.assign(ROLE_HELD, epoch=2, held_adapters=told)
    assert other.sent[-1].copies[0].held
    await other.assign(ROLE_REPLICA, epoch=3)
    assert other.switch == switch


@pytest.mark.spec("FO-7", "SS-3")
async def test_what_an_earlier_run_left_is_done_only_when_it_is_still_wanted(
    stage: RoleStage, agent: Agent
) -> None:
    await agent.assign(ROLE_ACTIVE, epoch=1)
    host = agent.site.host(EAST)
    await agent.site.stop_vm(host, agent.vm, None, turn_off=True)
    wanted = agent.command(start_virtual_machine=StartVirtualMachine(vm=agent.ref(1)))
    await stage.end_agents()
    Database(stage.folder / "journal.sqlite3").close()
    database = Database(stage.folder / "journal.sqlite3")
    CommandJournal(database, utc_now).accept(wanted)
    database.close()

    back = await stage.agent()
    back.number = 9
    looked = await back.deliver(
        back.command(read_virtual_machine=ReadVirtualMachine(vm=back.ref(1)))
    )
    assert looked.virtual_machine.state == "Off"
    assert wanted.command_id not in back.results
    started = await back.deliver(wanted)
    assert started.virtual_machine.state == "Running"


async def test_what_nobody_wants_any_more_ends_without_being_done(
    stage: RoleStage, agent: Agent
) -> None:
    await agent.site.stop_vm(agent.site.host(EAST), agent.vm, None, turn_off=True)
    vm = agent.ref(1)
    unwanted = agent.command(start_virtual_machine=StartVirtualMachine(vm=vm))
    unwanted.time_limit.FromTimedelta(timedelta(seconds=1))
    await stage.end_agents()
    database = Database(stage.folder / "journal.sqlite3")
    CommandJournal(database, utc_now).accept(unwanted)
    database.close()
    back = await stage.agent()
    result = await back.result(unwanted.command_id)
    assert result.failure.code == "CommandTimeLimitExceeded"
    assert back.vm.state.value == "Off"


async def test_reports_say_what_hosts_start_and_when_they_started(agent: Agent) -> None:
    [seen] = await read_host_replication(
        agent.pool.for_command(NO_COMMAND), EAST, [agent.vm.vm_id], time_limit_seconds=30
    )
    assert seen.automatic_start_action == "StartIfRunning"
    booted = agent.site.host(EAST).booted
    assert booted is not None
    assert abs(seen.host_booted_at.ToMicroseconds() / 1e6 - booted.timestamp()) < 0.001


async def test_an_adapter_that_is_gone_is_passed_over(agent: Agent) -> None:
    await agent.assign(ROLE_HELD, epoch=2)
    held = agent.store.find(agent.vm.vm_id, "Primary")
    assert held is not None
    assert held.adapters is not None
    gone = replace(held.adapters[0], adapter_id="gone")
    agent.store.remember_adapters(held, [*held.adapters, gone])
    await agent.assign(ROLE_REPLICA, epoch=3)
    assert agent.switch == held.adapters[0].switch_name
    assert HeldAdapter(adapter_id="gone") not in agent.sent[-1].copies


async def test_a_person_releases_a_held_copy_without_the_coordinator(agent: Agent) -> None:
    switch = agent.switch
    await agent.assign(ROLE_HELD, epoch=2)
    by_hand = ByHand(
        agent.pool.for_command(NO_COMMAND),
        HostKeyStore(agent.database, utc_now),
        agent.store,
        utc_now,
    )
    [copy] = agent.store.copies()
    assert shown(copy)["held"] is True
    await by_hand.release(copy, start=True)
    assert (agent.vm.state.value, agent.switch) == ("Running", switch)
    # The agent beside it heeds what the person decided, until the next failover.
    await agent.assign(ROLE_HELD, epoch=2)
    assert (agent.vm.state.value, agent.switch) == ("Running", switch)
    assert not agent.sent[-1].copies
    assert shown(agent.store.copies()[0])["released"] is True
    await agent.assign(ROLE_HELD, epoch=4)
    assert (agent.vm.state.value, agent.switch) == ("Off", None)
