"""`labctl host`: hosts of all sites."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from deploy.lab.control.opening import DEFAULT_STATE, StateOption, console, open_stage
from deploy.lab.control.options import (
    JsonOption,
    SiteArgument,
    show,
    show_one,
    site_name,
    site_of_host,
)
from deploy.lab.control.sites import Sites
from deploy.lab.site.admin_records import HostStatus

host_app = typer.Typer(no_args_is_help=True, help="Hosts of all sites.")

HostArgument = Annotated[str, typer.Argument(help="Name of the host, full or short.")]
CloudArgument = Annotated[str, typer.Argument(help="Name of the cloud.")]


@host_app.command("list")
def list_hosts(state: StateOption = DEFAULT_STATE, as_json: JsonOption = False) -> None:
    """Every host of every site that has power."""
    hosts: list[HostStatus] = Sites(open_stage(state)).hosts()
    if as_json:
        show(hosts, {}, as_json=True)
        return
    table = Table("site", "host", "Windows Server", "cluster", "clouds", "power", "machines")
    for each in hosts:
        table.add_row(
            each.site,
            each.host.partition(".")[0],
            each.windows_server,
            (each.cluster or "-").partition(".")[0],
            ", ".join(each.clouds) or "-",
            "on" if each.powered else "off",
            str(each.machines),
        )
    console.print(table)


@host_app.command("crash")
def crash(
    host: HostArgument, state: StateOption = DEFAULT_STATE, as_json: JsonOption = False
) -> None:
    """Takes the power from one host; nothing on it is closed in order."""
    site_of_host(open_stage(state), host).crash_host(host)
    show_one({"host": host, "power": "off"}, as_json=as_json)


@host_app.command("boot")
def boot(
    host: HostArgument, state: StateOption = DEFAULT_STATE, as_json: JsonOption = False
) -> None:
    """Gives a crashed host its power back."""
    site_of_host(open_stage(state), host).boot_host(host)
    show_one({"host": host, "power": "on"}, as_json=as_json)


@host_app.command("add")
def add(
    site: SiteArgument,
    host: Annotated[str, typer.Argument(help="Full name of the new host.")],
    cloud: CloudArgument,
    windows_server: Annotated[
        str | None, typer.Option(help="2012, 2012 R2, 2016, ...; as the cloud's first without it.")
    ] = None,
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Adds a new host to a cloud, like the cloud's first one."""
    stage = open_stage(state)
    Sites(stage).admin(site_name(stage, site)).add_host(host, cloud, windows_server)
    show_one({"host": host, "cloud": cloud}, as_json=as_json)


@host_app.command("move")
def move(
    host: HostArgument,
    cloud: CloudArgument,
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Moves a host to another cloud; its machines leave theirs."""
    site_of_host(open_stage(state), host).move_host(host, cloud)
    show_one({"host": host, "cloud": cloud}, as_json=as_json)


@host_app.command("remove")
def remove(
    host: HostArgument, state: StateOption = DEFAULT_STATE, as_json: JsonOption = False
) -> None:
    """Takes a host without machines away."""
    site_of_host(open_stage(state), host).remove_host(host)
    show_one({"host": host, "state": "removed"}, as_json=as_json)
