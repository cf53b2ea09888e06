"""Which lab a command of `labctl` works on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deploy.lab.control.stage import Stage, StageOptions

DEFAULT_STATE = Path(__file__).resolve().parents[3] / ".state" / "lab"

StateOption = Annotated[
    Path, typer.Option("--state", envvar="OSR_LAB_STATE", help="Folder of everything.")
]

console = Console()


def open_stage(state: Path) -> Stage:
    """The lab of a folder, with the options it was brought up with."""
    try:
        return Stage(StageOptions.load(state))
    except FileNotFoundError as error:
        console.print(f"[red]There is no lab in {state}.[/] `labctl up` makes one.")
        raise typer.Exit(2) from error
