"""`deploy/demo`: starts everything, tells the story, and leaves it running until Ctrl-C."""

from __future__ import annotations

import shutil
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console

from deploy.lab.control.stage import Stage, StageOptions
from deploy.story.screen import Screen, show_report
from deploy.story.story import Story

DEFAULT_STATE = Path(__file__).resolve().parent.parent.parent / ".state" / "demo"


class StoppedError(Exception):
    """A signal asks us to end."""


def demo(
    exit_after: Annotated[
        bool, typer.Option("--exit", help="End after the story, leaving no process behind.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(help="Write the numbers as JSON to this file.")
    ] = None,
    state: Annotated[
        Path, typer.Option(help="Folder of everything; emptied first if it is a demo's.")
    ] = DEFAULT_STATE,
    speed: Annotated[
        float, typer.Option(min=1.0, help="Replication intervals pass so many times faster.")
    ] = 10.0,
) -> None:
    """Moves a virtual machine from Shanghai to Beijing and back, and proves it."""
    console = Console()
    _prepare(state, console)
    stopped = threading.Event()

    def stop(number: int, _: FrameType | None) -> None:
        stopped.set()
        raise StoppedError(signal.Signals(number).name)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    stage = Stage(StageOptions(state=state, speed=speed))
    story = Story(stage, screen := Screen(console))
    try:
        try:
            with screen:
                story.play()
        except StoppedError:
            raise
        except Exception as error:  # noqa: BLE001 - the border: it becomes the story's last line
            console.print(f"[red]{type(error).__name__}: {error}[/]")
            console.print(f"Logs: {stage.group().logs}")
        show_report(console, story.report)
        if report is not None:
            story.report.write(report)
        if not exit_after and story.report.ok:
            _tell_how_to_go_on(console, stage)
            stopped.wait()
    except StoppedError:
        console.print("Stopping ...")
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        stage.down()
    sys.exit(0 if story.report.ok else 1)


def _prepare(state: Path, console: Console) -> None:
    """Empties the folder of an earlier demo; a folder of anything else is refused."""
    mark = state / "demo-state"
    if state.exists() and any(state.iterdir()):
        if not mark.exists():
            console.print(f"[red]{state} is not empty and no demo made it: choose another.[/]")
            sys.exit(2)
        Stage(StageOptions(state=state)).down()
        shutil.rmtree(state)
    state.mkdir(mode=0o700, parents=True)
    mark.touch()


def _tell_how_to_go_on(console: Console, stage: Stage) -> None:
    console.print(
        "\nEverything goes on running. In another terminal:\n"
        f"  export OSR_CONNECTION={stage.state / 'connection.json'}\n"
        "  .venv/bin/osr job list\n"
        "Ctrl-C stops it."
    )


def main() -> None:
    typer.run(demo)


if __name__ == "__main__":
    main()
