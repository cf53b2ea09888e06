"""Random orders of kill, failover, return, reverse and cancel, each judged when it has settled."""

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
SETTLE_SECONDS = 150.0
NUDGE_AFTER_SECONDS = 8.0
POLL_SECONDS = 0.3
# How often each happens, beside the others.
KILL, RETURN, OPERATE = 2, 3, 7


@dataclass
class ReturnVerdict:
    """What a campaign found."""

    rounds: int = 0
    orders: int = 0
    kills: int = 0
    operations: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    started_by_hand: int = 0
    double_running_seconds: float = 0.0
    double_runs: list[dict[str, Any]] = field(default_factory=list)
    owners_wrong: dict[str, Any] = field(default_factory=dict)
    unsettled: list[str] = field(default_factory=list)
    unknown_disks: int = 0

    @property
    def ok(self) -> bool:
        return not (
            self.double_running_seconds or self.owners_wrong or self.unsettled or self.unknown_disks
        )

    def as_json(self) -> dict[str, object]:
        counts = {"operations": dict(self.operations), "refused": dict(self.refused)}
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
        self.verdict = ReturnVerdict()

    async def run(self, rounds: int) -> ReturnVerdict:
        """One round after the other; stops at the first that goes wrong."""
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
        happened = []
        for _ in range(EVENTS_IN_A_ROUND + len(self._stage.vm_ids)):
            happened.append(await self._something(chance))
            # Often at once, so that operations meet deaths and each other.
            if chance.random() < 0.6:
                await asyncio.sleep(chance.expovariate(1.0))
        self._tell(f"round {number}: {', '.join(happened)}")
        await self._settle(number)

    async def _something(self, chance: random.Random) -> str:
        alive = [name for name in SITES if self._stage.sites[name].alive]
        dead = [name for name in SITES if name not in alive]
        choices = ["operate"] * OPERATE
        choices += ["kill"] * KILL if alive else []
        choices += ["return"] * RETURN if dead else []
        match chance.choice(choices):
            case "kill":
                site = chance.choice(alive)
                await self._stage.kill(site, noticed=chance.random() < 0.5)
                self.verdict.kills += 1
                return f"kill {site}"
            case "return":
                site = chance.choice(dead)
                await self._stage.give_power(site)
                return f"return {site}"
        machine = chance.choice(sorted(self._stage.vm_ids))
        allowed = await self._stage.run(self._stage.coordinator.allowed, machine)
        # Now and then what is not allowed, too.
        offered = allowed if allowed and chance.random() < 0.9 else sorted(OPERATIONS)
        return await self._operate(machine, chance.choice(offered))

    async def _operate(self, machine: str, operation: str) -> str:
        code = await self._stage.run(self._stage.coordinator.ask, machine, operation)
        (self.verdict.refused if code else self.verdict.operations)[operation] += 1
        return f"{operation} {machine}{' refused: ' + code if code else ''}"

    async def _settle(self, number: int) -> None:
        """Everything has power; people lead items out of states in which nothing is certain."""
        for name in SITES:
            if not self._stage.sites[name].alive:
                await self._stage.give_power(name)
        loop = asyncio.get_running_loop()
        deadline, quiet_since = loop.time() + SETTLE_SECONDS, loop.time()
        standings: list[Standing] = []
        while loop.time() < deadline:
            standings = await self._stage.run(self._stage.coordinator.standings)
            busy = any(each.busy for each in standings)
            lost = [each for each in standings if not each.decided and not each.busy]
            for each in lost:
                await self._lead_out(each)
            wrong = await self._wrong(standings)
            if not busy and not lost and not wrong:
                return
            if busy or lost:
                quiet_since = loop.time()
            elif loop.time() - quiet_since > NUDGE_AFTER_SECONDS:
                await self._start_by_hand(standings, wrong)
                quiet_since = loop.time()
            await asyncio.sleep(POLL_SECONDS)
        self.verdict.unsettled.append(f"round {number}: {standings}")

    async def _lead_out(self, item: Standing) -> None:
        for operation in ("cancel", "unplanned"):
            if not (await self._operate(item.name, operation)).endswith(f"{operation} {item.name}"):
                continue
            return

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

    async def _judge(self) -> None:
        effects = await asyncio.to_thread(self._stage.effects)
        found = double_runs(running_intervals(effects), datetime.now(UTC))
        self.verdict.double_running_seconds = sum(each.seconds for each in found)
        self.verdict.double_runs = [
            {"one": each.one, "other": each.other, "at": str(each.begins), "for": each.seconds}
            for each in found
        ]
        self.verdict.unknown_disks = len(started_from_unknown_disks(effects))
        standings = await self._stage.run(self._stage.coordinator.standings)
        self.verdict.owners_wrong = await self._wrong(standings)
