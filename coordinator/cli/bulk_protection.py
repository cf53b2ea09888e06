"""Enabling protection of many machines, and the table of how each of them stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from coordinator.cli.clients import Clients
from coordinator.cli.failures import CommandError, ExitCode
from coordinator.cli.names import container_of, friendly_name
from coordinator.cli.waiting import Display, Silence, Waiting, wait_until

# Of the API: machines in one request.
MOST_AT_ONCE = 500
INTERVAL_SECONDS = 2.0
# States of an item while its job EnableDr runs; ASR's words.
ENABLING = frozenset({"UnprotectedStatesBegin", "ReadyForInitialReplication"})
FAILED = frozenset({"EnablingFailed"})


@dataclass(frozen=True)
class MachineProgress:
    """How the enabling of one machine stands.

    Attributes:
        item_id: ARM id of its protected item; empty when it was refused.
        state: "Refused", or ASR's protectionState; empty before it was read.
        percent: Of the first copy.
        doing: What it does or waits for, or why it was refused.
    """

    name: str
    item_id: str = ""
    job_id: str = ""
    state: str = ""
    percent: int = 0
    doing: str = ""

    @property
    def begun(self) -> bool:
        """Its job has ended, well or not, or there is none."""
        return self.state not in ENABLING and self.state != ""

    @property
    def failed(self) -> bool:
        return self.state == "Refused" or self.state in FAILED

    def as_plain(self) -> dict[str, object]:
        return {
            "name": self.name,
            "protectedItemId": self.item_id or None,
            "jobId": self.job_id or None,
            "state": self.state,
            "percent": self.percent,
            "doing": self.doing,
        }


def enable_many(
    clients: Clients, machines: Sequence[Any], policy_id: str | None = None
) -> list[MachineProgress]:
    """Asks for the protection of machines, a request for each cloud.

    Args:
        clients: Of the vault.
        machines: Protectable items.
        policy_id: ARM id of the policy that all of them must fit; None: each host's.

    Raises:
        CommandError: They are too many.
        HttpResponseError: The service refused a request as a whole.
    """
    if len(machines) > MOST_AT_ONCE:
        raise CommandError(
            ExitCode.REFUSED,
            f"{len(machines)} machines are too many for one command.",
            possible_causes=[f"Protection is enabled for at most {MOST_AT_ONCE} at once."],
            recommended_action="Name fewer machines; those that are protected can be left out.",
        )
    clouds: dict[tuple[str, str], list[Any]] = {}
    for machine in machines:
        clouds.setdefault(container_of(machine.id), []).append(machine)
    found: list[MachineProgress] = []
    for (server, cloud), own in clouds.items():
        # The item is named after the machine's id, so that asking twice asks for the same item.
        body = {
            "properties": {
                "machines": [
                    {"protectableItemId": machine.id, "name": machine.name} for machine in own
                ],
                "policyId": policy_id,
            }
        }
        path = f"/replicationFabrics/{server}/replicationProtectionContainers/{cloud}"
        answer = clients.send("POST", f"{path}/enableProtection", body)
        found += [
            _first(friendly_name(machine), one)
            for machine, one in zip(own, answer["value"], strict=True)
        ]
    return found


def wait_for_many(
    clients: Clients, begun: Sequence[MachineProgress], display: Display, limit_seconds: float
) -> list[MachineProgress]:
    """Shows how machines stand until the first copy of each has begun or cannot begin.

    Raises:
        CommandError: The time is over, or Ctrl-C was pressed; the jobs go on.
    """
    waiting = Waiting(
        lambda: read_progress(clients, begun),
        lambda found: all(one.begun for one in found),
        "Not all first copies have begun",
        "osr protect list",
    )
    found: list[MachineProgress] = wait_until(waiting, display, limit_seconds, INTERVAL_SECONDS)
    return found


def read_progress(clients: Clients, begun: Sequence[MachineProgress]) -> list[MachineProgress]:
    """How they stand now, in one call for all."""
    items = clients.site_recovery.replication_protected_items.list(*clients.scope)
    by_id = {str(item.id).lower(): item for item in items}
    return [_now(one, by_id) for one in begun]


def choose_table(console: Console, *, quiet: bool) -> Display:
    """A live table on a terminal, a line a change elsewhere, nothing when nobody reads."""
    if quiet:
        return Silence()
    return LiveTable(console) if console.is_terminal else StateLines(console)


def progress_table(found: Sequence[MachineProgress], rows: int) -> Table:
    """Machines with what they do, those that are not done first, and a line that counts them."""
    table = Table(box=None, pad_edge=False)
    for heading in COLUMNS:
        table.add_column(heading, no_wrap=heading != "Now")
    for one in sorted(found, key=lambda one: one.begun)[:rows]:
        table.add_row(*(text(one) for text in COLUMNS.values()))
    left = sum(not one.begun for one in found)
    failed = sum(one.failed for one in found)
    hidden = f", {len(found) - rows} not shown" if len(found) > rows else ""
    table.caption = f"{len(found)} machines: {left} not begun yet, {failed} failed{hidden}"
    return table


COLUMNS: Mapping[str, Callable[[MachineProgress], str]] = {
    "Name": lambda one: one.name,
    "State": lambda one: one.state or "-",
    "Copied": lambda one: f"{one.percent} %",
    "Now": lambda one: one.doing,
}


class LiveTable:
    """For a terminal: the table, drawn anew with each reading."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False)
        self._live.start()

    def update(self, resource: Any) -> None:
        rows = max(5, self._console.size.height - 6)
        self._live.update(progress_table(resource, rows), refresh=True)

    def close(self) -> None:
        self._live.stop()


class StateLines:
    """For logs: a line when what a machine does has changed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said: dict[str, str] = {}

    def update(self, resource: Any) -> None:
        for one in resource:
            line = f"{one.name}: {one.doing or one.state}"
            if self._said.get(one.name) != line:
                self._said[one.name] = line
                self._console.print(line, highlight=False, markup=False)

    def close(self) -> None:
        """Nothing is open."""


def _first(name: str, answer: Mapping[str, Any]) -> MachineProgress:
    if answer["status"] == "Refused":
        return MachineProgress(name, state="Refused", doing=str(answer["error"]["message"]))
    return MachineProgress(name, str(answer["protectedItemId"]), str(answer["jobId"]))


def _now(one: MachineProgress, items: Mapping[str, Any]) -> MachineProgress:
    if not one.item_id:
        return one
    item = items.get(one.item_id.lower())
    if item is None:
        return MachineProgress(one.name, one.item_id, one.job_id, "Gone", 0, "no longer protected")
    details = item.properties.provider_specific_details.initial_replication_details
    state = str(item.properties.protection_state)
    percent = details.initial_replication_progress_percentage or 0
    return MachineProgress(
        one.name,
        one.item_id,
        one.job_id,
        state,
        100 if state == "Protected" else int(percent),
        str(item.properties.protection_state_description),
    )
