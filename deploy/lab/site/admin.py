"""The client of a site's admin socket, for the lab's control command and for tests."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from deploy.lab.site.admin_connection import (
    ADMIN_SOCKET,
    POWERSHELL_SOCKET,
    SiteAdminError,
    SiteDownError,
)
from deploy.lab.site.admin_operations import FaultOperations, HostOperations, MachineOperations
from deploy.lab.site.admin_records import DigestStatus, LedgerStatus, MachineStatus, SiteStatus
from deploy.lab.site.effects import Effect, read_effects
from deploy.lab.site.faults import Fault
from deploy.lab.site.json_codec import from_json

__all__ = ["ADMIN_SOCKET", "POWERSHELL_SOCKET", "SiteAdminError", "SiteDownError"]


class SiteAdmin(MachineOperations, HostOperations, FaultOperations):
    """Looks into one site, and works on it. See `AdminConnection` for its arguments."""

    def is_up(self) -> bool:
        try:
            self.ask("status")
        except SiteDownError:
            return False
        return True

    def status(self) -> SiteStatus:
        """Raises SiteDownError when the site has no power, as most requests do."""
        return from_json(SiteStatus, self.ask("status"))

    def machines(self) -> list[MachineStatus]:
        """Every VM of every host, replicas too."""
        return [from_json(MachineStatus, each) for each in self.ask("machines")]

    def write(self, vm: str, count: int = 1) -> int:
        """Have the running guest write ``count`` records; returns the last number."""
        return int(self.ask("write", vm=vm, count=count))

    def ledger(self, vm: str, host: str | None = None) -> LedgerStatus:
        return from_json(LedgerStatus, self.ask("ledger", vm=vm, host=host))

    def digest(self, vm: str, host: str | None = None) -> DigestStatus:
        return from_json(DigestStatus, self.ask("digest", vm=vm, host=host))

    def effects(self) -> list[Effect]:
        """The journal, read from its file, so also of a site without power."""
        return read_effects(self.folder / "effects.jsonl")

    def replicate_now(self, vm: str) -> None:
        """Let the next cycle of a primary begin at once."""
        self.ask("replicate_now", vm=vm)

    def add_fault(self, fault: Fault) -> None:
        self.ask("fault", fault=asdict(fault))

    def clear_faults(self) -> None:
        """Forget all faults of cmdlets; those that hang go on."""
        self.ask("clear_faults")

    def limit_bandwidth(self, bytes_per_second: int | None) -> None:
        """Of what this site's primaries send; None takes the limit away."""
        self.ask("bandwidth", bytes_per_second=bytes_per_second)

    def fill_disk(self, host: str, *, full: bool = True) -> None:
        """Let a host's storage be full (for replicas it receives), or free again."""
        self.ask("disk_full", host=host, full=full)

    def forget_certificates(self, host: str) -> None:
        """Delete every certificate of a host's personal store, as a careless hand might."""
        self.ask("forget_certificates", host=host)

    def transfer_paths(self, action: str = "show", **request: Any) -> dict[str, Any]:
        """Shows or changes the paths of offline first copies; see `admin_transfer`."""
        return dict(self.ask("transfer_paths", action=action, **request))

    def cut(self) -> None:
        """Works on a site without power too."""
        self.links.cut(self.site)

    def heal(self) -> None:
        """Works on a site without power too."""
        self.links.heal(self.site)
