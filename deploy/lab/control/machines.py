"""`labctl vm`: machines as guests, and as people change them in VMM."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from deploy.lab.control.opening import DEFAULT_STATE, StateOption, console, open_stage
from deploy.lab.control.options import (
    JsonOption,
    MachineArgument,
    SiteArgument,
    SiteOption,
    show,
    show_one,
    site_name,
)
from deploy.lab.control.sites import Sites
from deploy.lab.site.admin import SiteAdmin

vm_app = typer.Typer(no_args_is_help=True, help="Virtual machines of all sites.")

HostOption = Annotated[
    str | None,
    typer.Option("--host", help="Where, when a primary and its replica are at one site."),
]


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


def _admin(state: Path, machine: str, site: str | None) -> SiteAdmin:
    sites = Sites(open_stage(state))
    return sites.admin(sites.machine(machine, site).site)


@vm_app.command("power")
def power(
    machine: MachineArgument,
    to: Annotated[str, typer.Argument(help="start, shutdown, turnoff, pause, resume or save.")],
    state: StateOption = DEFAULT_STATE,
    site: SiteOption = None,
    host: HostOption = None,
    as_json: JsonOption = False,
) -> None:
    """Starts, stops, pauses or saves a machine, by hand on its host."""
    after = _admin(state, machine, site).power(machine, to, host)
    show_one({"vm": machine, "state": after}, as_json=as_json)


@vm_app.command("add")
def add(  # noqa: PLR0913, PLR0917 - an option of the command each
    site: SiteArgument,
    machine: Annotated[str, typer.Argument(help="Name; with --count it holds {number}.")],
    path: Annotated[str, typer.Option(help="Volume or share of its disk.")],
    host: Annotated[str | None, typer.Option(help="Its host; needed without --count.")] = None,
    cloud: Annotated[str | None, typer.Option(help="Its cloud; none without it.")] = None,
    mib: Annotated[int, typer.Option(min=2, help="Size of its disk.")] = 8,
    count: Annotated[int | None, typer.Option(min=1, help="So many of them.")] = None,
    network: Annotated[str | None, typer.Option(help="VMNETWORK/SUBNET.")] = None,
    running: Annotated[bool, typer.Option(help="Start it.")] = True,
    state: StateOption = DEFAULT_STATE,
    as_json: JsonOption = False,
) -> None:
    """Makes a machine, or many."""
    stage = open_stage(state)
    table: dict[str, Any] = {
        "name": machine,
        "running": running,
        "disks": [{"path": path, "mib": mib}],
    }
    if network:
        name, _, subnet = network.partition("/")
        table["networks"] = [{"network": name, "subnet": subnet}]
    table |= {"count": count} if count else {"host": host or ""}
    made = Sites(stage).admin(site_name(stage, site)).add_vms(table, cloud)
    show_one({"made": len(made), "ids": ", ".join(made[:3])}, as_json=as_json)


@vm_app.command("rename")
def rename(
    machine: MachineArgument,
    name: Annotated[str, typer.Argument(help="The new name.")],
    state: StateOption = DEFAULT_STATE,
    site: SiteOption = None,
    host: HostOption = None,
    as_json: JsonOption = False,
) -> None:
    """Gives a machine another name; a replica keeps the one it has."""
    _admin(state, machine, site).rename_vm(machine, name, host)
    show_one({"vm": name, "was": machine}, as_json=as_json)


@vm_app.command("cloud")
def cloud(
    machine: MachineArgument,
    cloud: Annotated[str | None, typer.Argument(help="Without one: out of its cloud.")] = None,
    state: StateOption = DEFAULT_STATE,
    site: SiteOption = None,
    host: HostOption = None,
    as_json: JsonOption = False,
) -> None:
    """Moves a machine to another cloud of its host, or out of any."""
    _admin(state, machine, site).move_vm_to_cloud(machine, cloud, host)
    show_one({"vm": machine, "cloud": cloud or "none"}, as_json=as_json)


@vm_app.command("migrate")
def migrate(
    machine: MachineArgument,
    target: Annotated[str, typer.Argument(help="The host to move to.")],
    state: StateOption = DEFAULT_STATE,
    site: SiteOption = None,
    host: HostOption = None,
    as_json: JsonOption = False,
) -> None:
    """Moves a machine to another host while it runs."""
    _admin(state, machine, site).migrate_vm(machine, target, host)
    show_one({"vm": machine, "host": target}, as_json=as_json)


@vm_app.command("delete")
def delete(
    machine: MachineArgument,
    state: StateOption = DEFAULT_STATE,
    site: SiteOption = None,
    host: HostOption = None,
    as_json: JsonOption = False,
) -> None:
    """Deletes a machine that is off, with its disks."""
    _admin(state, machine, site).delete_vm(machine, host)
    show_one({"vm": machine, "state": "deleted"}, as_json=as_json)


@vm_app.command("add-disk")
def add_disk(  # noqa: PLR0913, PLR0917 - an option of the command each
    machine: MachineArgument,
    path: Annotated[str, typer.Option(help="Volume or share to put it on.")],
    mib: Annotated[int, typer.Option(min=2, help="Its size.")] = 8,
    state: StateOption = DEFAULT_STATE,
    site: SiteOption = None,
    host: HostOption = None,
    as_json: JsonOption = False,
) -> None:
    """Attaches a new disk; of a machine that replicates, it is not replicated by itself."""
    made = _admin(state, machine, site).add_disk(machine, path, mib * 1024**2, host)
    show_one({"vm": machine, "disk": made}, as_json=as_json)


@vm_app.command("checkpoint")
def checkpoint(
    machine: MachineArgument,
    name: Annotated[str, typer.Argument(help="Name of the checkpoint.")],
    state: StateOption = DEFAULT_STATE,
    site: SiteOption = None,
    host: HostOption = None,
    as_json: JsonOption = False,
) -> None:
    """Notes a checkpoint of a machine."""
    _admin(state, machine, site).checkpoint_vm(machine, name, host)
    show_one({"vm": machine, "checkpoint": name}, as_json=as_json)


@vm_app.command("make-ha")
def make_ha(
    machine: MachineArgument,
    state: StateOption = DEFAULT_STATE,
    site: SiteOption = None,
    host: HostOption = None,
    as_json: JsonOption = False,
) -> None:
    """Makes a machine on a cluster's node highly available."""
    _admin(state, machine, site).make_highly_available(machine, host)
    show_one({"vm": machine, "highly_available": True}, as_json=as_json)


@vm_app.command("protect")
def protect(
    machine: MachineArgument,
    required: Annotated[bool, typer.Option("--on/--off", help="Wanted or not.")] = True,
    state: StateOption = DEFAULT_STATE,
    site: SiteOption = None,
    host: HostOption = None,
    as_json: JsonOption = False,
) -> None:
    """Says in VMM that a machine is to be protected (DR protection required)."""
    _admin(state, machine, site).change_vm(machine, host, dr_protection_required=required)
    show_one({"vm": machine, "dr_protection_required": required}, as_json=as_json)
