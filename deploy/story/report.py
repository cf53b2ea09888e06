"""What the story came to: the numbers behind the table at its end."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class StepReport:
    """One step: what it was, how long it took, and whether it was verified."""

    name: str
    seconds: float
    ok: bool


@dataclass
class StoryReport:
    """The whole story; `ok` only if every step was verified and nothing was lost.

    Attributes:
        vm: Name of the machine.
        digest_source: SHA-256 of its disks at Shanghai when it had been shut down.
        digest_target: SHA-256 of its disks at Beijing as they were when it started there.
        ledger_last_written: Last record the guest wrote before the failover.
        ledger_last_found: Last record found at Beijing when it started.
        rto_seconds: From asking for the failover to the machine running at Beijing.
        rpo_seconds: Age of what was lost by the failover; 0 when nothing was.
        bytes_replicated: Sent from host to host, before compression.
        commands: Commands the two agents carried out.
        duplicate_effects: Effects one command had more than once.
    """

    vm: str
    steps: list[StepReport] = field(default_factory=list)
    digest_source: str = ""
    digest_target: str = ""
    ledger_last_written: int = 0
    ledger_last_found: int = 0
    rto_seconds: float = 0.0
    rpo_seconds: float = 0.0
    bytes_replicated: int = 0
    commands: int = 0
    duplicate_effects: int = 0

    @property
    def records_lost(self) -> int:
        return self.ledger_last_written - self.ledger_last_found

    @property
    def ok(self) -> bool:
        return (
            bool(self.steps)
            and all(step.ok for step in self.steps)
            and bool(self.digest_source)
            and self.digest_source == self.digest_target
            and self.ledger_last_written > 0
            and self.records_lost == 0
            and self.duplicate_effects == 0
        )

    def as_json(self) -> dict[str, object]:
        """The document `--report` writes."""
        return {
            "vm": self.vm,
            "steps": [
                {"name": s.name, "seconds": round(s.seconds, 3), "ok": s.ok} for s in self.steps
            ],
            "digest_source": self.digest_source,
            "digest_target": self.digest_target,
            "ledger_last_written": self.ledger_last_written,
            "ledger_last_found": self.ledger_last_found,
            "records_lost": self.records_lost,
            "rto_seconds": round(self.rto_seconds, 3),
            "rpo_seconds": round(self.rpo_seconds, 3),
            "bytes_replicated": self.bytes_replicated,
            "commands": self.commands,
            "duplicate_effects": self.duplicate_effects,
            "ok": self.ok,
        }

    def write(self, file: Path) -> None:
        file.write_text(json.dumps(self.as_json(), indent=2) + "\n", encoding="utf-8")
