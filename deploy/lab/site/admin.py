"""The client of a site's admin socket, for the lab's control command and for tests."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from deploy.lab import unix_sockets
from deploy.lab.site.admin_records import DigestStatus, LedgerStatus, MachineStatus, SiteStatus
from deploy.lab.site.effects import Effect, read_effects
from deploy.lab.site.faults import Fault
from deploy.lab.site.json_codec import from_json
from deploy.lab.site.links import Links

ADMIN_SOCKET = "admin.sock"
POWERSHELL_SOCKET = "powershell.sock"


class SiteDownError(Exception):
    """The site's daemon does not answer: it has no power."""


class SiteAdminError(Exception):
    """The site refused a request; the text says why."""


class SiteAdmin:
    """Looks into one site. What the daemon must not answer for is read from its folder.

    Args:
        state_dir: The folder of all sites (--state of the daemon).
        site: The site's name.
        timeout_seconds: How long an answer may take.
    """

    def __init__(self, state_dir: Path, site: str, timeout_seconds: float = 30.0) -> None:
        self._folder = state_dir / site
        self._site = site
        self._timeout_seconds = timeout_seconds
        self.links = Links(state_dir)

    @property
    def powershell_socket(self) -> Path:
        return self._folder / POWERSHELL_SOCKET

    def _ask(self, do: str, **request: Any) -> Any:
        try:
            with unix_sockets.connected(
                self._folder / ADMIN_SOCKET, self._timeout_seconds
            ) as connection:
                connection.sendall(json.dumps({"id": 1, "do": do, **request}).encode() + b"\n")
                with connection.makefile("rb") as lines:
                    line = lines.readline()
        except OSError as error:
            raise SiteDownError(f"{self._site} does not answer: {error}") from error
        if not line:
            raise SiteDownError(f"{self._site} broke the connection")
        answer = json.loads(line)
        if "error" in answer:
            raise SiteAdminError(answer["error"])
        return answer["value"]

    def is_up(self) -> bool:
        try:
            self._ask("status")
        except SiteDownError:
            return False
        return True

    def status(self) -> SiteStatus:
        """Raises SiteDownError when the site has no power, as most requests do."""
        return from_json(SiteStatus, self._ask("status"))

    def machines(self) -> list[MachineStatus]:
        """Every VM of every host, replicas too."""
        return [from_json(MachineStatus, each) for each in self._ask("machines")]

    def write(self, vm: str, count: int = 1) -> int:
        """Have the running guest write ``count`` records; returns the last number."""
        return int(self._ask("write", vm=vm, count=count))

    def ledger(self, vm: str) -> LedgerStatus:
        return from_json(LedgerStatus, self._ask("ledger", vm=vm))

    def digest(self, vm: str) -> DigestStatus:
        return from_json(DigestStatus, self._ask("digest", vm=vm))

    def effects(self) -> list[Effect]:
        """The journal, read from its file, so also of a site without power."""
        return read_effects(self._folder / "effects.jsonl")

    def replicate_now(self, vm: str) -> None:
        """Let the next cycle of a primary begin at once."""
        self._ask("replicate_now", vm=vm)

    def add_fault(self, fault: Fault) -> None:
        self._ask("fault", fault=asdict(fault))

    def clear_faults(self) -> None:
        """Forget all faults of cmdlets; those that hang go on."""
        self._ask("clear_faults")

    def limit_bandwidth(self, bytes_per_second: int | None) -> None:
        """Of what this site's primaries send; None takes the limit away."""
        self._ask("bandwidth", bytes_per_second=bytes_per_second)

    def fill_disk(self, host: str, *, full: bool = True) -> None:
        """Let a host's storage be full (for replicas it receives), or free again."""
        self._ask("disk_full", host=host, full=full)

    def forget_certificates(self, host: str) -> None:
        """Delete every certificate of a host's personal store, as a careless hand might."""
        self._ask("forget_certificates", host=host)

    def transfer_paths(self, action: str = "show", **request: Any) -> dict[str, Any]:
        """Shows or changes the paths of offline first copies; see `admin_transfer`."""
        return dict(self._ask("transfer_paths", action=action, **request))

    def cut(self) -> None:
        """Works on a site without power too."""
        self.links.cut(self._site)

    def heal(self) -> None:
        """Works on a site without power too."""
        self.links.heal(self._site)
