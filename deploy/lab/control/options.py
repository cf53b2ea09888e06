"""Options and output that labctl's commands share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.table import Table

from deploy.lab.control.opening import console
from deploy.lab.control.sites import Sites
from deploy.lab.control.stage import Stage
from deploy.lab.site.admin import SiteAdmin

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


def site_name(stage: Stage, site: str) -> str:
    """The name of a site by its own name or its fabric's, in any case."""
    known = {n.lower(): s.name for s in stage.topology.sites for n in (s.name, s.fabric_name)}
    if site.lower() not in known:
        console.print(
            f"[red]No site {site}.[/] There are: {', '.join(sorted(set(known.values())))}"
        )
        raise typer.Exit(2)
    return known[site.lower()]


def site_of_host(stage: Stage, host: str) -> SiteAdmin:
    """The site that has a host, by its full or short name."""
    for admin in Sites(stage).admins():
        hosts = admin.status().hosts
        if host.lower() in [*hosts, *(each.partition(".")[0] for each in hosts)]:
            return admin
    console.print(f"[red]No host {host}.[/]")
    raise typer.Exit(2)
