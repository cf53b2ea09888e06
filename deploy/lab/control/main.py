"""`labctl`: brings the lab up and down, and looks and works inside it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from coordinator.config.waiting import WaitTimeoutError
from deploy.lab.control.connection import CONNECTION_FILE
from deploy.lab.control.media import NoSuchFolderError, media_app
from deploy.lab.control.opening import DEFAULT_STATE, StateOption, console, open_stage
from deploy.lab.control.sites import NoSuchMachineError, Sites
from deploy.lab.control.stage import Stage, StageError, StageOptions
from deploy.lab.site.admin import SiteDownError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Two simulated sites, an agent on each, and a coordinator, on this machine.",
)
vm_app = typer.Typer(no_args_is_help=True, help="Virtual machines of both sites.")
site_app = typer.Typer(no_args_is_help=True, help="Power and links of a site.")
app.add_typer(vm_app, name="vm")
app.add_typer(site_app, name="site")
app.add_typer(media_app, name="media")

JsonOption = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]
MachineArgument = Annotated[str, typer.Argument(help="Name of the virtual machine.")]
SiteArgument = Annotated[str, typer.Argument(help="Shanghai or Beijing.")]
SiteOption = Annotated[
    str | None, typer.Option("--site", help="Where; without it, where the machine runs.")
]


def show(rows: Sequence[Any], columns: dict[str, str], *, as_json: bool) -> None:
    """Prints records as a table of the chosen fields, or all of them as JSON."""
    documents = [asdict(row) for row in rows]
    if as_json:
        print(json.dumps(documents, indent=2, default=str))
        return
    table = Table()
    for title in columns.values():
        table.add_column(title)
    for document in documents:
        table.add_row(*[str(document[name] or "") for name in columns])
    console.print(table)


def show_one(document: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(document, indent=2, default=str))
        return
    for name, value in document.items():
        console.print(f"{name:<18} {value}")


@app.command()
def up(
    state: StateOption = DEFAULT_STATE,
    topology: Annotated[Path | None, typer.Option(help="TOML file of sites.")] = None,
    speed: Annotated[
        float, typer.Option(min=0.1, help="Replication intervals pass so many times faster.")
    ] = 1.0,
    as_json: JsonOption = False,
) -> None:
    """Starts everything; returns when both agents are registered and discovered."""
    stage = Stage(StageOptions(state, topology.resolve() if topology else None, speed))
    try:
        with Console(stderr=True).status("") as progress:
            stage.up(lambda text: progress.update(f"{text} ..."))
    except (StageError, WaitTimeoutError) as error:
        console.print(f"[red]{error}[/]\nLogs: {stage.group().logs}")
        raise typer.Exit(1) from error
    show_one({"state": "up", "connection": stage.state / CONNECTION_FILE}, as_json=as_json)


@app.command()
def down(state: StateOption = DEFAULT_STATE, as_json: JsonOption = False) -> None:
    """Stops every process; the folder stays, and `up` goes on with it."""
    open_stage(state).down()
    show_one({"state": "down"}, as_json=as_json)


@app.command()
def status(state: StateOption = DEFAULT_STATE, as_json: JsonOption = False) -> None:
    """Processes of the lab; exit status 3 when it is down."""
    rows = open_stage(state).group().status()
    show(rows, {"name": "process", "state": "state", "pid": "pid"}, as_json=as_json)
    if not rows:
        raise typer.Exit(3)


@app.command()
def env(state: StateOption = DEFAULT_STATE) -> None:
    """Prints what a shell must export so that `osr` finds the lab."""
    print(f"export OSR_CONNECTION={open_stage(state).state / CONNECTION_FILE}")


@app.command()
def effects(state: StateOption = DEFAULT_STATE, as_json: JsonOption = False) -> None:
    """Everything that changed at either site, with the command that caused it."""
    columns = {
        "at": "at",
        "site": "site",
        "effect": "effect",
        "target": "target",
        "command_id": "command",
    }
    show(Sites(open_stage(state)).effects(), columns, as_json=as_json)


@vm_app.command("list")
def list_machines(state: StateOption = DEFAULT_STATE, as_json: JsonOption = False) -> None:
    """Every copy of every machine."""
    machines = Sites(open_stage(state)).machines()
    if as_json:
        show(machines, {}, as_json=True)
        return
    table = Table("site", "name", "host", "state", "replication", "health")
    for machine in machines:
        replicates = machine.replication_mode != "None"
        table.add_row(
            machine.site,
            machine.name,
            machine.host.partition(".")[0],
            machine.state,
            f"{machine.replication_mode}, {machine.replication_state}" if replicates else "-",
            machine.replication_health if replicates else "-",
        )
    console.print(table)


@vm_app.command("write")
def write(
    machine: MachineArgument,
    count: Annotated[int, typer.Option(min=1, help="Ledger records to write.")] = 1,
    state: StateOption = DEFAULT_STATE,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Has the guest write now; gives the last record's number."""
    written = Sites(open_stage(state)).write(machine, count, site=site)
    show_one({"vm": machine, "last_written": written}, as_json=as_json)


@vm_app.command("ledger")
def ledger(
    machine: MachineArgument,
    state: StateOption = DEFAULT_STATE,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """What the guest wrote last, and what is found on the disk."""
    show_one(asdict(Sites(open_stage(state)).ledger(machine, site=site)), as_json=as_json)


@vm_app.command("digest")
def digest(
    machine: MachineArgument,
    state: StateOption = DEFAULT_STATE,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """SHA-256 of the disks, now and when the machine last started."""
    show_one(asdict(Sites(open_stage(state)).digest(machine, site=site)), as_json=as_json)


def _on_site(
    state: Path, site: str, action: Callable[[Sites, str], None], done: str, *, as_json: bool
) -> None:
    stage = open_stage(state)
    known = {n.lower(): s.name for s in stage.topology.sites for n in (s.name, s.fabric_name)}
    if site.lower() not in known:
        console.print(f"[red]No site {site}.[/] There are: {', '.join(set(known.values()))}")
        raise typer.Exit(2)
    action(Sites(stage), known[site.lower()])
    show_one({"site": known[site.lower()], "state": done}, as_json=as_json)


@site_app.command("kill")
def kill(
    site: SiteArgument, state: StateOption = DEFAULT_STATE, as_json: JsonOption = False
) -> None:
    """Takes the power from every host, the VMM server and the agent of a site."""
    _on_site(state, site, Sites.kill, "without power", as_json=as_json)


@site_app.command("start")
def start(
    site: SiteArgument, state: StateOption = DEFAULT_STATE, as_json: JsonOption = False
) -> None:
    """Gives the power back: hosts boot, the agent starts."""
    _on_site(state, site, Sites.start, "started", as_json=as_json)


@site_app.command("cut")
def cut(
    site: SiteArgument, state: StateOption = DEFAULT_STATE, as_json: JsonOption = False
) -> None:
    """Cuts the site's hosts off from those of other sites."""
    _on_site(state, site, Sites.cut, "cut off", as_json=as_json)


@site_app.command("heal")
def heal(
    site: SiteArgument, state: StateOption = DEFAULT_STATE, as_json: JsonOption = False
) -> None:
    """Joins a cut site again."""
    _on_site(state, site, Sites.heal, "joined", as_json=as_json)


def main() -> None:
    """Runs a command; what people got wrong ends in one sentence and exit status 2."""
    try:
        app()
    except (NoSuchFolderError, NoSuchMachineError, SiteDownError) as error:
        console.print(f"[red]{error}[/]")
        sys.exit(2)


if __name__ == "__main__":
    main()
