"""`osr-coordinator`: starts a coordinator or one of its processes."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from coordinator.config import access_commands, audit_commands
from coordinator.config.configuration import read_configuration
from coordinator.config.setting_up import set_up_django, set_up_when_installed

app = typer.Typer(
    no_args_is_help=True,
    # Tracebacks with local variables would show secrets.
    pretty_exceptions_enable=False,
    help="The coordinator of Open Site Recovery: one machine (run), or process by process.",
)

app.add_typer(access_commands.principal_app, name="principal")
app.add_typer(access_commands.person_app, name="person")
app.add_typer(audit_commands.app, name="audit")

StateOption = Annotated[
    Path, typer.Option("--state", envvar="OSR_STATE", help="Folder of keys, logs and databases.")
]


@app.command()
def run(
    state: StateOption = Path("/var/lib/opensiterecovery"),
    api_port: Annotated[int, typer.Option(help="HTTPS port; 0: as last time.")] = 0,
    gateway_port: Annotated[int, typer.Option(help="Port agents dial; 0: as last time.")] = 0,
) -> None:
    """Runs everything on this machine until stopped."""
    from coordinator.config import stack  # noqa: PLC0415 - the embedded extra

    prepared = stack.prepare_stack(
        state, api_port=api_port, gateway_port=gateway_port, environment=os.environ
    )
    stack.run_in_foreground(prepared.group())


@app.command()
def status(state: StateOption = Path("/var/lib/opensiterecovery")) -> None:
    """Prints the processes of `run` as JSON."""
    from coordinator.config import embedded, process_group  # noqa: PLC0415 - the embedded extra

    group = process_group.ProcessGroup(state, embedded.socket_folder(state.resolve()))
    rows = [{"name": row.name, "state": row.state, "pid": row.pid} for row in group.status()]
    print(json.dumps(rows, indent=2))


@app.command()
def migrate() -> None:
    """Makes or upgrades the tables, and the certificates in the state folder."""
    set_up_django()
    from coordinator.config import installation  # noqa: PLC0415 - Django is set up now

    installation.install(read_configuration(), datetime.now(UTC))


@app.command()
def api() -> None:
    """Serves the REST API over HTTPS."""
    set_up_when_installed()
    from coordinator.config import api_server, celery  # noqa: PLC0415 - Django is set up now

    celery.make_app(read_configuration())
    api_server.serve(read_configuration())


@app.command()
def gateway() -> None:
    """Serves the agents."""
    set_up_when_installed()
    from coordinator.config import celery, index_plans, work  # noqa: PLC0415 - Django is set up now
    from coordinator.gateway import server  # noqa: PLC0415 - Django is set up now

    index_plans.plan_by_index()
    configuration = read_configuration()
    celery.make_app(configuration)
    uvloop.run(server.serve(configuration, work.gateway_engine(configuration)))


@app.command()
def worker(
    queues: Annotated[str, typer.Option(help="Names, by commas.")] = (
        "failover,replication,inventory"
    ),
    concurrency: Annotated[int, typer.Option(help="Threads.")] = 4,
) -> None:
    """Carries out queued work."""
    set_up_when_installed()
    from coordinator.config import index_plans, work  # noqa: PLC0415 - Django is set up now

    index_plans.plan_by_index()
    work.run_worker(read_configuration(), queues, concurrency)


@app.command()
def beat() -> None:
    """Starts the sweep again and again."""
    set_up_when_installed()
    from coordinator.config import work  # noqa: PLC0415 - Django is set up now

    work.run_beat(read_configuration())


def main() -> None:
    app()


if __name__ == "__main__":
    main()
