"""Random orders of kill, failover, return, reverse and cancel, each judged when it has settled.

A site comes back in any of several ways: at once, with its agent cut off for a while, while the
coordinator is down, with a host that goes down again in the middle of what is done to its machines.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from deploy.lab.judge import (
    double_runs,
    owners_wrong,
    running_intervals,
    started_from_unknown_disks,
)
from tests.chaos.returning.coordinator import OPERATIONS, Standing
from tests.chaos.returning.sites import SITES
from tests.chaos.returning.stage import ReturnStage

EVENTS_IN_A_ROUND = 7
SETTLE_SECONDS = 400.0
# For each operation of a machine that goes there and back while the rest happens.
TURN_SECONDS = 8.0
NUDGE_AFTER_SECONDS = 8.0
POLL_SECONDS = 0.3
# More rounds in a row in which every operation was refused would put nothing to the test.
IDLE_ROUNDS = 2
# How often each happens, beside the others.
KILL, RETURN, OPERATE, REBOOT = 2, 3, 7, 1
THERE_AND_BACK = ("unplanned", "reverse", "planned", "commit", "reverse", "unplanned")


@dataclass
class ReturnVerdict:
    """What a campaign found.

    Attributes:
        idle_rounds: The last ones, in a row, in which every operation was refused.
    """

    rounds: int = 0
    orders: int = 0
    kills: int = 0
    returns: Counter[str] = field(default_factory=Counter)
    reboots: int = 0
    operations: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    started_by_hand: int = 0
    holds: int = 0
    releases: int = 0
    alerts: int = 0
    production_runs: int = 0
    double_running_seconds: float = 0.0
    double_runs: list[dict[str, Any]] = field(default_factory=list)
    owners_wrong: dict[str, Any] = field(default_factory=dict)
    unsettled: list[str] = field(default_factory=list)
    unknown_disks: int = 0
    idle_rounds: int = 0

    @property
    def ok(self) -> bool:
        return not (
            self.double_running_seconds
            or self.owners_wrong
            or self.unsettled
            or self.unknown_disks
            or self.idle_rounds > IDLE_ROUNDS
        )

    def round_ended(self, begun_before: int) -> None:
        """Counts the rounds in a row, up to this one, in which nothing was begun.

        Args:
            begun_before: Operations that had been begun when it started.
        """
        idle = self.operations.total() == begun_before
        self.idle_rounds = self.idle_rounds + 1 if idle else 0

    def as_json(self) -> dict[str, object]:
        counts = {
            "operations": dict(self.operations),
            "refused": dict(self.refused),
            "returns": dict(self.returns),
        }
        return {"ok": self.ok, **vars(self), **counts}


class ReturnCampaign:
    """Does what people and power cuts do.

    Args:
        stage: Open.
        seed: To have the same choices again; the moments differ.
        tell: For people.
    """

    def __init__(self, stage: ReturnStage, seed: int, tell: Callable[[str], None]) -> None:
        self._stage = stage
        self._seed = seed
        self._tell = tell
        # As it was before anything happened: so every copy that is not held has to be.
        self._connected: dict[tuple[str, str], tuple[str, ...]] = {}
        self.verdict = ReturnVerdict()

    async def run(self, rounds: int) -> ReturnVerdict:
        """One round after the other; stops at the first that goes wrong."""
        self._connected = await self._stage.connections()
        for number in range(rounds):
            await self._round(number)
            self.verdict.rounds += 1
            self.verdict.orders += len(self._stage.vm_ids)
            await self._judge()
            if not self.verdict.ok:
                break
        return self.verdict

    async def _round(self, number: int) -> None:
        chance = random.Random(f"{self._seed}/{number}")
        happened, begun_before = [], self.verdict.operations.total()
        machine = chance.choice(sorted(self._stage.vm_ids))
        traveller = asyncio.create_task(self._there_and_back(machine), name=f"{machine} travels")
        for _ in range(EVENTS_IN_A_ROUND + len(self._stage.vm_ids)):
            happened.append(await self._something(chance))
            # Often at once, so that operations meet deaths and each other.
            if chance.random() < 0.6:
                await asyncio.sleep(chance.expovariate(1.0))
        await self._give_all_power(chance)
        happened.append(await traveller)
        self.verdict.round_ended(begun_before)
        self._tell(f"round {number}: {', '.join(happened)}")
        await self._settle(number)

    async def _something(self, chance: random.Random) -> str:
        alive = [name for name in SITES if self._stage.sites[name].alive]
        dead = [name for name in SITES if name not in alive]
        choices = ["operate"] * OPERATE
        choices += ["kill"] * KILL + ["reboot"] * REBOOT if alive else []
        choices += ["return"] * RETURN if dead else []
        match chance.choice(choices):
            case "kill":
                site = chance.choice(alive)
                await self._stage.kill(site, noticed=chance.random() < 0.5)
                self.verdict.kills += 1
                return f"kill {site}"
            case "return":
                return await self._return(chance.choice(dead), chance)
            case "reboot":
                return await self._reboot(chance.choice(alive))
        machine = chance.choice(sorted(self._stage.vm_ids))
        allowed = await self._stage.run(self._stage.coordinator.allowed, machine)
        # Now and then what is not allowed, too.
        offered = allowed if allowed and chance.random() < 0.9 else sorted(OPERATIONS)
        return await self._operate(machine, chance.choice(offered))

    async def _return(self, site: str, chance: random.Random) -> str:
        """A site comes back in one of several ways."""
        way = chance.choice(["", "cut off", "without the coordinator", "to lose its host again"])
        self.verdict.returns[way or "at once"] += 1
        stage, pause = self._stage, chance.uniform(0.0, 1.5)
        match way:
            case "cut off":
                await stage.give_power(site, cut=True)
                await asyncio.sleep(pause)
                await stage.heal(site)
            case "without the coordinator":
                await stage.stop_coordinator()
                await stage.give_power(site)
                await asyncio.sleep(pause)
                await stage.start_coordinator()
            case "to lose its host again":
                await stage.give_power(site)
                await asyncio.sleep(pause)
                await self._reboot(site)
            case _:
                await stage.give_power(site)
        return f"return {site} {way}".strip()

    async def _reboot(self, site: str) -> str:
        await self._stage.sites[site].reboot_host()
        self.verdict.reboots += 1
        return f"reboot {site}"

    async def _give_all_power(self, chance: random.Random) -> None:
        for name in SITES:
            if not self._stage.sites[name].alive:
                await self._return(name, chance)

    async def _there_and_back(self, machine: str) -> str:
        """Somebody takes a machine there and back, as far as what happens meanwhile lets him."""
        loop, coordinator = asyncio.get_running_loop(), self._stage.coordinator
        done: list[str] = []
        for operation in THERE_AND_BACK:
            deadline = loop.time() + TURN_SECONDS
            while await self._stage.run(coordinator.ask, machine, operation):
                if loop.time() > deadline:
                    return f"{machine} travelled: {' '.join(done)}"
                await asyncio.sleep(POLL_SECONDS)
            self.verdict.operations[operation] += 1
            done.append(operation)
        return f"{machine} travelled: {' '.join(done)}"

    async def _operate(self, machine: str, operation: str) -> str:
        code = await self._stage.run(self._stage.coordinator.ask, machine, operation)
        (self.verdict.refused if code else self.verdict.operations)[operation] += 1
        return f"{operation} {machine}{' refused: ' + code if code else ''}"

    async def _settle(self, number: int) -> None:
        """Everything has power; people lead items out of states in which nothing is certain."""
        loop = asyncio.get_running_loop()
        deadline, quiet_since = loop.time() + SETTLE_SECONDS, loop.time()
        standings: list[Standing] = []
        while loop.time() < deadline:
            standings = await self._stage.run(self._stage.coordinator.standings)
            busy = any(each.busy for each in standings)
            lost = [each for each in standings if not each.decided and not each.busy]
            for each in lost:
                await self._lead_out(each)
            copying = [each for each in standings if each.copying]
            for each in copying:
                await self._have_copied(each)
            wrong = await self._wrong(standings)
            if not (busy or lost or copying or wrong or await self._unheeded()):
                return
            if busy or lost or copying:
                quiet_since = loop.time()
            elif loop.time() - quiet_since > NUDGE_AFTER_SECONDS:
                await self._start_by_hand(standings, wrong)
                quiet_since = loop.time()
            await asyncio.sleep(POLL_SECONDS)
        self.verdict.unsettled.append(f"round {number}: {standings} {await self._unheeded()}")

    async def _lead_out(self, item: Standing) -> None:
        for operation in ("cancel", "unplanned"):
            if not (await self._operate(item.name, operation)).endswith(f"{operation} {item.name}"):
                continue
            return

    async def _have_copied(self, item: Standing) -> None:
        """Repairs a comparison that broke off with the site, as its health asks people to."""
        if "repair" in await self._stage.run(self._stage.coordinator.allowed, item.name):
            await self._operate(item.name, "repair")

    async def _start_by_hand(self, standings: list[Standing], wrong: dict[str, Any]) -> None:
        """A failover whose last step, starting, failed leaves a machine that nobody started."""
        for each in standings:
            if wrong.get(each.vm_id) == []:
                self._tell(f"start {each.name} by hand ({each.state})")
                await self._stage.run(self._stage.coordinator.start_by_hand, each.name)
                self.verdict.started_by_hand += 1

    async def _wrong(self, standings: list[Standing]) -> dict[str, Any]:
        effects = await asyncio.to_thread(self._stage.effects)
        return owners_wrong(effects, {each.vm_id: each.active_site for each in standings})

    async def _unheeded(self) -> list[str]:
        """What is not yet as it has to be of held copies: adapters, and what people are told."""
        held = await self._stage.run(self._stage.coordinator.held)
        told = await self._stage.run(self._stage.coordinator.told_of)
        names = {vm_id: name for name, vm_id in self._stage.vm_ids.items()}
        wrong = [
            f"told of {name}: {told.get(name, [])}"
            for name in names.values()
            if told.get(name, []) != (["OldPrimaryHeld"] if name in held else [])
        ]
        for (site, name), switches in (await self._stage.connections()).items():
            expected = () if held.get(name) == site else self._connected[site, name]
            if switches != expected:
                wrong.append(f"adapters of {name} at {site}: {switches}")
        return wrong

    async def _judge(self) -> None:
        effects = await asyncio.to_thread(self._stage.effects)
        intervals = running_intervals(effects)
        found = double_runs(intervals, datetime.now(UTC))
        verdict = self.verdict
        verdict.production_runs = len(intervals)
        verdict.double_running_seconds = sum(each.seconds for each in found)
        verdict.double_runs = [
            {"one": each.one, "other": each.other, "at": str(each.begins), "for": each.seconds}
            for each in found
        ]
        verdict.unknown_disks = len(started_from_unknown_disks(effects))
        verdict.holds = sum(each.effect == "network_adapter.disconnected" for each in effects)
        verdict.releases = sum(each.effect == "network_adapter.connected" for each in effects)
        verdict.alerts = await self._stage.run(self._stage.coordinator.alerts)
        standings = await self._stage.run(self._stage.coordinator.standings)
        verdict.owners_wrong = await self._wrong(standings)
