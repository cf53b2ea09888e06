"""What the story came to: the numbers behind the table at its end."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class StepReport:
    """One step: what it was, how long it took, and whether it was verified."""

    name: str
    seconds: float
    ok: bool


@dataclass(frozen=True)
class FailoverReport:
    """One failover, as the two sites saw it.

    Attributes:
        destination: Site the machine went to.
        digest_source: SHA-256 of its disks where it came from, when it had been shut down.
        digest_target: SHA-256 of its disks at the destination as they were when it started there.
        last_written: Last ledger record the guest wrote before.
        last_found: Last record found at the destination when it started.
        rto_seconds: From asking for the failover to the machine running.
    """

    destination: str
    digest_source: str
    digest_target: str
    last_written: int
    last_found: int
    rto_seconds: float

    @property
    def records_lost(self) -> int:
        return self.last_written - self.last_found

    @property
    def ok(self) -> bool:
        same = bool(self.digest_source) and self.digest_source == self.digest_target
        return same and self.last_written > 0 and self.records_lost == 0


@dataclass
class StoryReport:
    """The whole story; `ok` only if every step was verified and nothing was lost.

    Attributes:
        vm: Name of the machine.
        failovers: There and back.
        bytes_replicated: Sent from host to host, as sent (the policy compresses).
        commands: Commands of the two agents that had an effect.
        duplicate_effects: Effects one command had more than once.
    """

    vm: str
    steps: list[StepReport] = field(default_factory=list)
    failovers: list[FailoverReport] = field(default_factory=list)
    bytes_replicated: int = 0
    commands: int = 0
    duplicate_effects: int = 0

    @property
    def records_lost(self) -> int:
        return sum(failover.records_lost for failover in self.failovers)

    @property
    def ok(self) -> bool:
        return (
            bool(self.steps)
            and all(step.ok for step in self.steps)
            and bool(self.failovers)
            and all(failover.ok for failover in self.failovers)
            and self.duplicate_effects == 0
        )

    def as_json(self) -> dict[str, object]:
        """The document `--report` writes."""
        first = self.failovers[0] if self.failovers else FailoverReport("", "", "", 0, 0, 0.0)
        return {
            "vm": self.vm,
            "steps": [
                {"name": s.name, "seconds": round(s.seconds, 3), "ok": s.ok} for s in self.steps
            ],
            "digest_source": first.digest_source,
            "digest_target": first.digest_target,
            "ledger_last_written": first.last_written,
            "ledger_last_found": first.last_found,
            "records_lost": self.records_lost,
            "rto_seconds": round(first.rto_seconds, 3),
            "failovers": [asdict(failover) for failover in self.failovers],
            "bytes_replicated": self.bytes_replicated,
            "commands": self.commands,
            "duplicate_effects": self.duplicate_effects,
            "ok": self.ok,
        }

    def write(self, file: Path) -> None:
        file.write_text(json.dumps(self.as_json(), indent=2) + "\n", encoding="utf-8")
