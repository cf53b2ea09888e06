"""Hosts with copies of machines: their states, adapters and automatic start; they can hang."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from agent.powershell.cmdlet import Cmdlet
from agent.powershell.errors import PowerShellError
from agent.powershell.records import PSRecord
from tests.unit.agent.fake_failover import failure

SWITCH = "Production"
ADAPTER = "A1"


@dataclass
class FakeCopy:
    """A copy of a machine with one adapter or several; by their ids the switches."""

    vm_id: UUID
    state: str = "Off"
    start_action: str = "Nothing"
    switches: dict[str, str] = field(default_factory=lambda: {ADAPTER: SWITCH})

    def as_machine(self) -> dict[str, Any]:
        return {
            "Id": self.vm_id,
            "State": self.state,
            "ReplicationMode": "Primary",
            "AutomaticStartAction": self.start_action,
            "AutomaticStartDelay": 0,
        }

    def as_adapters(self) -> list[dict[str, Any]]:
        return [
            {"VMId": self.vm_id, "AdapterId": name, "Name": name, "SwitchName": switch or None}
            for name, switch in self.switches.items()
        ]


class FakeCopies:
    """Implements the PowerShell interface for what the role keeper asks and does."""

    def __init__(self, **copies: list[FakeCopy]) -> None:
        self.hosts = copies
        self.did: list[tuple[str, UUID]] = []
        self.broken: dict[str, PowerShellError] = {}
        # By host: cleared while it does not answer.
        self.answers = {host: asyncio.Event() for host in copies}
        for answering in self.answers.values():
            answering.set()

    def breaks(self, name: str) -> None:
        """Every call of the cmdlet fails, until it is mended."""
        self.broken[name] = failure("OperationFailed", "NotSpecified", name)

    async def run(self, *pipeline: Cmdlet, time_limit_seconds: float) -> list[PSRecord]:
        assert time_limit_seconds > 0
        host = str(pipeline[0].parameters["ComputerName"])
        await self.answers[host].wait()
        copies, adapters = self.hosts[host], None
        wanted = pipeline[0].parameters.get("Id")
        if wanted is not None:
            copies = [copy for copy in copies if copy.vm_id == wanted]
        for step in pipeline:
            if step.name in self.broken:
                raise self.broken[step.name]
            if step.name == "Get-VMNetworkAdapter":
                adapters = [each for copy in copies for each in copy.as_adapters()]
            elif step.name == "Where-Object":
                assert adapters is not None
                adapters = [
                    each for each in adapters if each["AdapterId"] == step.parameters["Value"]
                ]
            elif step.name not in {"Get-VM", "Select-Object"}:
                self._change(step, copies, adapters)
                return []
        found = [copy.as_machine() for copy in copies] if adapters is None else adapters
        return [PSRecord(each) for each in found]

    def _change(
        self, step: Cmdlet, copies: list[FakeCopy], adapters: list[dict[str, Any]] | None
    ) -> None:
        for copy in copies:
            self.did.append((step.name, copy.vm_id))
            match step.name:
                case "Set-VM":
                    copy.start_action = str(step.parameters["AutomaticStartAction"])
                case "Stop-VM":
                    copy.state = "Off"
                case _:
                    switch = str(step.parameters.get("SwitchName", ""))
                    for each in adapters or ():
                        copy.switches[each["AdapterId"]] = switch
