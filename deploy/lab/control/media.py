"""`labctl media`: disks in a bag, and who may use the folders they are filled from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from deploy.lab.control.opening import DEFAULT_STATE, StateOption, console, open_stage
from deploy.lab.control.sites import Sites
from deploy.lab.control.stage import Stage
from deploy.lab.site.transfer_paths import carry

media_app = typer.Typer(
    no_args_is_help=True, help="Folders of offline first copies, and carrying them."
)


class NoSuchFolderError(LookupError):
    """A site has no such folder for offline first copies."""


def real_folder(stage: Stage, site: str, path: str, host: str = "") -> Path:
    r"""Where the files of a path really are.

    Args:
        stage: The lab.
        site: "Shanghai" or "Beijing".
        path: As Windows names it: a share, or a folder of the host.
        host: FQDN; only for a local path.

    Raises:
        NoSuchFolderError: The site has no such path.
    """
    place = stage.state / "sites" / site / "transfer"
    unc = path.startswith("\\\\")
    parts = [part for part in path.replace(":", "").split("\\") if part]
    owner, inside = (parts[0].lower(), parts[1:]) if unc else (host, parts)
    folder = place.joinpath(owner, *inside)
    if not owner or not folder.is_dir():
        raise NoSuchFolderError(f"{site} has no folder {path} {f'on {host}' if host else ''}")
    return folder


def _place(stage: Stage, text: str) -> Path:
    """SITE:PATH, or SITE/HOST:PATH for a local path."""
    where, _, path = text.partition(":")
    site, _, host = where.partition("/")
    return real_folder(stage, site, path, host)


@media_app.command("carry")
def carry_copies(
    source: Annotated[str, typer.Argument(help=r"Shanghai:\\FileServer\SourceShare1")],
    target: Annotated[str, typer.Argument(help=r"Beijing:\\FileServer\TargetShare1")],
    machine: Annotated[str, typer.Option("--vm", help="Only this machine's.")] = "",
    state: StateOption = DEFAULT_STATE,
) -> None:
    """Copies exported first copies from a folder of one site into a folder of another."""
    stage = open_stage(state)
    carried = carry(_place(stage, source), _place(stage, target), f"{machine}_" if machine else "")
    console.print("\n".join(carried) or "There is nothing to carry.")


@media_app.command("paths")
def paths(
    site: Annotated[str, typer.Argument(help="Shanghai or Beijing.")],
    state: StateOption = DEFAULT_STATE,
) -> None:
    """Shows the paths of a site with NTFS rights and share permission of each account."""
    print(json.dumps(Sites(open_stage(state)).admin(site).transfer_paths(), indent=2))


@media_app.command("right")
def right(
    site: Annotated[str, typer.Argument(help="Shanghai or Beijing.")],
    path: Annotated[str, typer.Argument(help="One of the paths.")],
    account: Annotated[str, typer.Argument(help="vmm-service, run-as, or a host's name.")],
    ntfs: Annotated[str, typer.Option(help="FullControl, Modify, Read, None.")] = "None",
    share: Annotated[str, typer.Option(help="FullControl, Modify, Read, None.")] = "None",
    state: StateOption = DEFAULT_STATE,
) -> None:
    """Sets, or without options takes away, what an account may do in a path."""
    admin = Sites(open_stage(state)).admin(site)
    shown = admin.transfer_paths("right", path=path, account=account, ntfs=ntfs, share=share)
    print(json.dumps(shown, indent=2))


@media_app.command("delegate")
def delegate(
    site: Annotated[str, typer.Argument(help="Shanghai or Beijing.")],
    host: Annotated[str, typer.Argument(help="FQDN of a Hyper-V host.")],
    service: Annotated[
        list[str] | None, typer.Option(help="cifs/FileServer; none takes all away.")
    ] = None,
    state: StateOption = DEFAULT_STATE,
) -> None:
    """Sets which services a host's computer account may delegate to."""
    Sites(open_stage(state)).admin(site).transfer_paths(
        "delegate", host=host, services=service or []
    )
    console.print(f"{host}: {', '.join(service or []) or 'trusted for nothing'}")
