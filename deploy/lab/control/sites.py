"""Both sites of a lab at once: where a machine is, what its guest wrote, what happened."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from coordinator.config.waiting import wait_for
from deploy.lab.control.links import link_program
from deploy.lab.control.stage import Stage, agent_program, site_program
from deploy.lab.judge import duplicate_effects
from deploy.lab.site.admin import SiteAdmin, SiteDownError
from deploy.lab.site.admin_records import Condition, HostStatus, MachineStatus
from deploy.lab.site.effects import Effect
from deploy.lab.site.links import LinkRule
from deploy.lab.site.power import record_loss_of_power

BOOT_LIMIT_SECONDS = 60.0


class NoSuchMachineError(LookupError):
    """No site has a machine of that name, or the one asked for has not."""


@dataclass(frozen=True)
class LedgerView:
    """The ledger of one copy of a machine.

    Attributes:
        last_written: Last record its guest wrote at this site, by the witness outside its disks.
        last_found: Highest record on this site's disk.
        found_at_boot: Highest record when it last started here, before it wrote; 0 if it never did.
        gaps: Numbers missing on the disk.
    """

    site: str
    name: str
    last_written: int
    last_found: int
    found_at_boot: int
    gaps: int


@dataclass(frozen=True)
class DigestView:
    """One digest over the digests of all disks of a copy, in the machine's order of disks."""

    site: str
    name: str
    now: str
    at_boot: str


def one_digest(digests: Mapping[str, str]) -> str:
    """SHA-256 over the digests of all disks, in order; that of a single disk is its own."""
    if len(digests) <= 1:
        return "".join(digests.values())
    return hashlib.sha256("\n".join(digests.values()).encode()).hexdigest()


class Sites:
    """Works on the sites of a stage."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._admins = {
            site.name: SiteAdmin(stage.state / "sites", site.name) for site in stage.topology.sites
        }

    def admin(self, site: str) -> SiteAdmin:
        return self._admins[site]

    def admins(self) -> list[SiteAdmin]:
        return list(self._admins.values())

    # Machines

    def machines(self) -> list[MachineStatus]:
        """Every copy of every machine; a site without power shows none."""
        found: list[MachineStatus] = []
        for admin in self._admins.values():
            try:
                found += admin.machines()
            except SiteDownError:
                continue
        return sorted(found, key=lambda machine: (machine.name, machine.site))

    def machine(self, name: str, site: str | None = None) -> MachineStatus:
        """A machine's copy at a site; without one, the copy that runs, else the primary's.

        Raises:
            NoSuchMachineError: There is none.
        """
        copies = [
            machine
            for machine in self.machines()
            if machine.name.lower() == name.lower() and site in {None, machine.site}
        ]
        if not copies:
            known = ", ".join(sorted({machine.name for machine in self.machines()}))
            raise NoSuchMachineError(f"no machine {name} {site or ''} (known: {known})")
        order = {"Running": 0}
        return min(copies, key=lambda m: (order.get(m.state, 1), m.replication_mode == "Replica"))

    def ledger(self, name: str, site: str | None = None) -> LedgerView:
        """What the guest wrote and what is found."""
        place = self.machine(name, site).site
        row = self._admins[place].ledger(name)
        return LedgerView(
            place, row.name, row.last_written, row.last_found, row.boot_last_found or 0, row.gaps
        )

    def digest(self, name: str, site: str | None = None) -> DigestView:
        """SHA-256 of a copy's disks."""
        place = self.machine(name, site).site
        row = self._admins[place].digest(name)
        return DigestView(place, row.name, one_digest(row.digests), one_digest(row.boot_digests))

    def write(self, name: str, count: int, site: str | None = None) -> int:
        """Has the guest write records; gives the last one's number."""
        return self._admins[self.machine(name, site).site].write(name, count)

    # What happened

    def effects(self) -> list[Effect]:
        """Both journals, in order of time."""
        found = [effect for admin in self._admins.values() for effect in admin.effects()]
        return sorted(found, key=lambda effect: effect.at)

    def duplicate_effects(self) -> int:
        """How many effects one command had on one target more than once."""
        return duplicate_effects(self.effects())

    def bytes_replicated(self) -> int:
        """What went from host to host, as it was sent, since the sites booted."""
        return sum(admin.status().sent_bytes for admin in self._admins.values())

    # Power and links

    def kill(self, site: str) -> None:
        """Takes the power from a site: its hosts, its VMM server and the agent on it."""
        group = self._stage.group()
        for program in (agent_program(site), site_program(site)):
            group.kill_program(program)
        record_loss_of_power(self._stage.state / "sites", site, datetime.now(UTC))

    def start(self, site: str) -> None:
        """Gives the power back and waits until the hosts have booted."""
        self._stage.start_program(site_program(site))
        wait_for(f"{site} to boot", self._admins[site].is_up, BOOT_LIMIT_SECONDS)
        if (self._stage.agent_folder(site) / "identity.json").exists():
            self._stage.start_program(agent_program(site))

    def cut_agent(self, site: str) -> None:
        """Interrupts the network between a site's agent and the gateway, and nothing else."""
        self._stage.group().freeze_program(link_program(site))

    def hosts(self) -> list[HostStatus]:
        """Hosts of all sites whose daemons run."""
        return [host for admin in self._running() for host in admin.hosts()]

    def _running(self) -> list[SiteAdmin]:
        return [admin for admin in self._admins.values() if admin.is_up()]

    # Faults

    def conditions(self) -> list[Condition]:
        """What is wrong with the links, and at the sites that have power."""
        links = next(iter(self._admins.values())).links
        found = [condition_of(rule) for rule in links.rules()]
        return found + [each for admin in self._running() for each in admin.conditions()]

    def clear_all_faults(self) -> None:
        """Mends everything but what only an administrator can: lost certificates, full logs."""
        next(iter(self._admins.values())).links.clear()
        for admin in self._running():
            admin.mend_everything()

    def cut(self, site: str) -> None:
        self._admins[site].cut()

    def heal(self, site: str) -> None:
        """Mends all links of a site: those of its hosts, and its agent's."""
        self._stage.group().resume_program(link_program(site))
        self._admins[site].heal()


def condition_of(rule: LinkRule) -> Condition:
    """A link's rule in words."""
    arrow = "->" if rule.one_way else "<->"
    slow = [f"{rule.bytes_per_second} bytes/s"] if rule.bytes_per_second else []
    slow += [f"{rule.delay_seconds:g} s a request"] if rule.delay_seconds else []
    return Condition(
        site="",
        kind="partition" if rule.cut else "slow",
        target=f"{rule.source} {arrow} {rule.target}",
        detail=", ".join(slow),
    )
