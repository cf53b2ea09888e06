"""`labctl`: brings the lab up and down, and looks and works inside it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from coordinator.config.waiting import WaitTimeoutError
from deploy.lab.control.connection import CONNECTION_FILE
from deploy.lab.control.faults import fault_app
from deploy.lab.control.hosts import host_app
from deploy.lab.control.machines import vm_app
from deploy.lab.control.media import NoSuchFolderError, media_app
from deploy.lab.control.opening import DEFAULT_STATE, StateOption, console, open_stage
from deploy.lab.control.options import (
    JsonOption,
    SiteArgument,
    show,
    show_one,
    site_name,
)
from deploy.lab.control.sites import NoSuchMachineError, Sites
from deploy.lab.control.stage import Stage, StageError, StageOptions
from deploy.lab.judge import double_runs, running_intervals
from deploy.lab.site.admin import SiteAdminError, SiteDownError
from deploy.lab.site.topology import (
    TopologyError,
    find_topology,
    load_topology,
    named_topologies,
)

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Simulated sites, an agent on each, and a coordinator, on this machine.",
)
site_app = typer.Typer(no_args_is_help=True, help="Power and links of a site.")
app.add_typer(vm_app, name="vm")
app.add_typer(site_app, name="site")
app.add_typer(host_app, name="host")
app.add_typer(fault_app, name="fault")
app.add_typer(media_app, name="media")


@app.command()
def up(
    state: StateOption = DEFAULT_STATE,
    topology: Annotated[
        str | None, typer.Option(help="Name (see `topologies`) or TOML file of sites.")
    ] = None,
    speed: Annotated[
        float, typer.Option(min=0.1, help="Replication intervals pass so many times faster.")
    ] = 1.0,
    as_json: JsonOption = False,
) -> None:
    """Starts everything; returns when both agents are registered and discovered."""
    stage = Stage(StageOptions(state, find_topology(topology) if topology else None, speed))
    try:
        with Console(stderr=True).status("") as progress:
            stage.up(lambda text: progress.update(f"{text} ..."))
    except (StageError, WaitTimeoutError) as error:
        console.print(f"[red]{error}[/]\nLogs: {stage.group().logs}")
        raise typer.Exit(1) from error
    show_one({"state": "up", "connection": stage.state / CONNECTION_FILE}, as_json=as_json)


@app.command()
def topologies(as_json: JsonOption = False) -> None:
    """Topologies that come with the lab, for `up --topology NAME`."""
    rows = [
        {"name": name, "description": load_topology(file).description, "file": str(file)}
        for name, file in named_topologies().items()
    ]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    table = Table("name", "description")
    for row in rows:
        table.add_row(row["name"], row["description"])
    console.print(table)


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
def judge(state: StateOption = DEFAULT_STATE, as_json: JsonOption = False) -> None:
    """Did two copies of a machine run on production networks at once? Exit status 4 if so."""
    found = double_runs(running_intervals(Sites(open_stage(state)).effects()), datetime.now(UTC))
    seconds = sum(each.seconds for each in found)
    names = [f"{each.one.vm_id} at {each.one.site} and {each.other.site}" for each in found]
    show_one(
        {"double_running_seconds": seconds, "machines": ", ".join(names) or "none"},
        as_json=as_json,
    )
    if found:
        raise typer.Exit(4)


@app.command()
def effects(state: StateOption = DEFAULT_STATE, as_json: JsonOption = False) -> None:
    """Everything that changed at any site, with the command that caused it."""
    columns = {
        "at": "at",
        "site": "site",
        "effect": "effect",
        "target": "target",
        "command_id": "command",
    }
    show(Sites(open_stage(state)).effects(), columns, as_json=as_json)


def _on_site(
    state: Path, site: str, action: Callable[[Sites, str], None], done: str, *, as_json: bool
) -> None:
    stage = open_stage(state)
    name = site_name(stage, site)
    action(Sites(stage), name)
    show_one({"site": name, "state": done}, as_json=as_json)


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
    site: SiteArgument,
    state: StateOption = DEFAULT_STATE,
    agent: Annotated[
        bool, typer.Option("--agent", help="Only the site's agent, from the coordinator.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Cuts the site's hosts off from those of other sites, or its agent from the coordinator."""
    if agent:
        _on_site(state, site, Sites.cut_agent, "agent cut off", as_json=as_json)
    else:
        _on_site(state, site, Sites.cut, "cut off", as_json=as_json)


@site_app.command("heal")
def heal(
    site: SiteArgument, state: StateOption = DEFAULT_STATE, as_json: JsonOption = False
) -> None:
    """Joins a cut site, and its agent, again."""
    _on_site(state, site, Sites.heal, "joined", as_json=as_json)


_MISTAKES = (
    NoSuchFolderError,
    NoSuchMachineError,
    SiteAdminError,
    SiteDownError,
    TopologyError,
)


def main() -> None:
    """Runs a command; what people got wrong ends in one sentence and exit status 2."""
    try:
        app()
    except _MISTAKES as error:
        console.print(f"[red]{error}[/]")
        sys.exit(2)


if __name__ == "__main__":
    main()
