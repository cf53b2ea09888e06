"""The judge of plans on two real sites: what is well is well, and each thing spoilt is seen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

import pytest

from deploy.lab.invocation import EnumValue
from deploy.lab.site.admin import SiteAdmin
from deploy.lab.site.admin_records import MachineStatus
from deploy.lab.site.effects import Effect
from tests.chaos.plan_judge import SCRIPT_BEGUN, PlanJudge, PlanVerdict
from tests.chaos.two_sites import HOSTS, MACHINE, PORT, TwoSites

pytestmark = [pytest.mark.timeout(180), pytest.mark.spec("FO-2", "FO-7", "JB-3")]


class World:
    """The machine of two sites on its way from East to West, without any product."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sites = TwoSites(folder)
        self.vm_id = ""

    # As the judge sees it.

    def admin(self, site: str) -> SiteAdmin:
        return self.sites.admins[site]

    def effects(self) -> list[Effect]:
        found = [effect for admin in self.sites.admins.values() for effect in admin.effects()]
        return sorted(found, key=lambda effect: effect.at)

    async def judge(self, look: Callable[[PlanJudge], None]) -> PlanVerdict:
        """A verdict of one look."""
        verdict = PlanVerdict(points=0, machines=1)
        seen = PlanJudge(self, {MACHINE: self.vm_id}, verdict, patience_seconds=0.5)
        await asyncio.to_thread(look, seen)
        return verdict

    # What happens.

    async def protect(self) -> None:
        for site in HOSTS:
            await self.sites.start(site)
            await self.sites.configure(site)
        await self.sites.do(
            "East",
            "Enable-VMReplication",
            VMName=[MACHINE],
            ReplicaServerName=HOSTS["West"],
            ReplicaServerPort=PORT,
            AuthenticationType=EnumValue("ReplicationAuthenticationType", "Kerberos", 1),
            ReplicationFrequencySec=30,
            RecoveryHistory=2,
        )
        await self.sites.do("East", "Start-VMInitialReplication", VMName=[MACHINE])
        await self.sites.until(
            lambda: {m.replication_state for m in self._copies()} == {"Replicating"}, "first copy"
        )
        [self.vm_id] = {copy.vm_id for copy in self._copies()}

    async def prepare(self) -> None:
        await self.sites.do("East", "Stop-VM", Name=[MACHINE])
        await self.sites.do("East", "Start-VMFailover", VMName=[MACHINE], Prepare=True)

    async def fail_over(self) -> None:
        await self.sites.do("West", "Start-VMFailover", VMName=[MACHINE])

    async def start(self, site: str = "West") -> None:
        await self.sites.do(site, "Start-VM", Name=[MACHINE])

    def _copies(self) -> list[MachineStatus]:
        return [m for a in self.sites.admins.values() for m in a.machines() if m.name == MACHINE]

    # What is spoilt.

    def flip_a_byte(self, site: str) -> None:
        """Of a disk that the copy there has, behind everybody's back."""
        disks = [
            file
            for file in (self.folder / site).rglob("*")
            if file.is_file() and file.stat().st_size >= 8 << 20
        ]
        with min(disks).open("r+b") as file:
            file.seek(1 << 20)
            byte = file.read(1)
            file.seek(1 << 20)
            file.write(bytes([byte[0] ^ 0xFF]))

    def journal(self, effect: Effect) -> None:
        with (self.folder / effect.site / "effects.jsonl").open("a") as file:
            file.write(json.dumps(asdict(effect)) + "\n")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    try:
        await made.protect()
        yield made
    finally:
        await made.sites.close()


def whole(judge: PlanJudge) -> None:
    judge.planned_arrival("East", "West")
    judge.owners("West")
    judge.no_test_machines()
    judge.scripts(0)
    judge.journals()


async def test_what_is_well_is_well_and_what_is_spoilt_afterwards_is_seen(world: World) -> None:
    await world.prepare()
    await world.fail_over()
    nobody = await world.judge(whole)
    assert nobody.owners_wrong == 1
    assert nobody.records_lost > 0, "a machine that has not booted has shown no record"
    await world.start()
    assert (await world.judge(whole)).ok

    assert not (await world.judge(lambda judge: judge.scripts(1, needed=True))).ok
    like = next(each for each in world.effects() if each.effect == "failover.started")
    world.journal(replace(like, effect=SCRIPT_BEGUN, target="a.ps1"))
    assert (await world.judge(lambda judge: judge.scripts(0))).scripts_twice == 1
    assert (await world.judge(lambda judge: judge.scripts(1, needed=True))).ok

    drill = replace(like, effect="test_failover.started", details={"name": "App", "test_vm": "t"})
    world.journal(drill)
    assert not (await world.judge(PlanJudge.no_test_machines)).ok
    world.journal(replace(drill, effect="test_failover.stopped"))
    assert (await world.judge(PlanJudge.no_test_machines)).ok

    by_command = replace(like, effect="vm.restarted", command_id="c")
    world.journal(by_command)
    assert (await world.judge(PlanJudge.journals)).ok
    world.journal(by_command)
    assert (await world.judge(PlanJudge.journals)).duplicate_effects == 1

    world.flip_a_byte("East")
    assert (await world.judge(whole)).wrong_disks == 1


async def test_disks_that_change_between_failover_and_start_are_seen(world: World) -> None:
    await world.prepare()
    await world.fail_over()
    world.flip_a_byte("West")
    await world.start()
    assert (await world.judge(PlanJudge.journals)).wrong_disks == 1


async def test_a_replica_that_is_not_its_primary_is_seen(world: World) -> None:
    world.flip_a_byte("West")
    await world.prepare()
    await world.fail_over()
    await world.start()
    verdict = await world.judge(lambda judge: judge.planned_arrival("East", "West"))
    assert (verdict.wrong_disks, verdict.records_lost) == (1, 0)


async def test_a_second_owner_and_records_that_stayed_behind_are_seen(world: World) -> None:
    await world.fail_over()
    await world.start()
    await asyncio.to_thread(world.admin("East").write, MACHINE, 20)
    unplanned = await world.judge(lambda judge: judge.unplanned_arrival("East", "West"))
    assert unplanned.ok, unplanned.problems
    assert unplanned.records_lost_unplanned >= 20
    verdict = await world.judge(whole)
    assert verdict.records_lost >= 20
    assert verdict.wrong_disks == 1
    assert verdict.owners_wrong == 1


async def test_a_machine_that_ran_twice_is_seen(world: World) -> None:
    like = world.effects()[-1]
    for site in HOSTS:
        details = {"switches": {"a": "Production"}}
        started = replace(like, site=site, host=HOSTS[site], effect="vm.started", target="m")
        world.journal(replace(started, details=details))
    assert timedelta(seconds=(await world.judge(PlanJudge.journals)).double_running_seconds)
