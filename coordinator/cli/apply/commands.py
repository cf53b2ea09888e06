"""osr apply, osr diff, osr export: a vault's configuration as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from coordinator.cli.apply.catalog import Resolver
from coordinator.cli.apply.differences import Difference, difference, fixed_problems, in_order
from coordinator.cli.apply.files import read_files, write_files, write_text
from coordinator.cli.apply.kinds import Kind
from coordinator.cli.apply.resources import Resource, read_resources
from coordinator.cli.apply.showing import plain_difference, show_difference, unusable
from coordinator.cli.apply.vault_reading import VaultState, read_vault
from coordinator.cli.confirmation import YesOption, confirm
from coordinator.cli.failures import CommandError, ExitCode
from coordinator.cli.operations import DEFAULT_LIMIT_SECONDS, LimitOption
from coordinator.cli.session import Session, command

commands = typer.Typer()

FilesOption = Annotated[
    list[Path],
    typer.Option(
        "--file", "-f", help="YAML file, directory of such, or - for standard input; may repeat."
    ),
]
PruneOption = Annotated[
    bool, typer.Option("--prune", help="Also remove what no file says; asks for the vault's name.")
]


@command(commands)
def apply(
    session: Session,
    file: FilesOption,
    prune: PruneOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the difference.")] = False,
    yes: YesOption = False,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Makes the vault what files say: shows the difference first, then does it step by step.

    Nothing is removed unless --prune is given. What failed can be taken up by running it again.
    """
    from coordinator.cli.apply.converging import (  # noqa: PLC0415 - slow to import: see Clients
        Converging,
    )

    wanted = _wanted(session, file)
    state = read_vault(session.clients)
    found = _compared(session, wanted, state, prune=prune)
    _show(session, found)
    if dry_run or found.is_empty:
        return
    if found.removed:
        titles = ", ".join(resource.title for resource in found.removed)
        vault = session.clients.vault
        confirm(session, f"This removes from the vault {vault}: {titles}.", vault, yes=yes)
    Converging(session, state, limit_seconds).run(found)
    session.tell("The vault is as the files say.")


@command(commands)
def diff(session: Session, file: FilesOption, prune: PruneOption = False) -> None:
    """Shows what osr apply would do; exit status 10 when there is something."""
    found = _compared(session, _wanted(session, file), read_vault(session.clients), prune=prune)
    _show(session, found)
    if not found.is_empty:
        raise typer.Exit(ExitCode.DIFFERENT)


@command(commands)
def export(
    session: Session,
    to: Annotated[
        Path | None,
        typer.Option("--to", help="File *.yaml, or directory; default: standard output."),
    ] = None,
    kind: Annotated[
        list[Kind] | None, typer.Option("--kind", help="Only this kind; may repeat.")
    ] = None,
) -> None:
    """Writes the vault's configuration as files that osr apply reads."""
    kinds = set(kind or Kind)
    resources = in_order(
        [one for one in read_vault(session.clients).resources if one.kind in kinds]
    )
    if to is not None:
        for written in write_files(resources, to):
            session.tell(f"{written} is written.")
    elif session.as_json:
        session.show_json([resource.as_document() for resource in resources])
    else:
        print(write_text(resources), end="")


def _wanted(session: Session, files: Sequence[Path]) -> list[Resource]:
    documents, problems = read_files(files)
    if not problems:
        wanted, problems = read_resources(documents)
        if not problems:
            return wanted
    raise unusable(problems, session.notes)


def _compared(
    session: Session, wanted: Sequence[Resource], state: VaultState, *, prune: bool
) -> Difference:
    """The difference between files and vault, once all names mean something.

    Raises:
        CommandError: A name means nothing, or a change cannot be made.
    """
    resolver = Resolver(state.catalog, wanted)
    resolved = [resolver.resolve(resource) for resource in wanted]
    if resolver.problems:
        raise unusable(resolver.problems, session.notes)
    found = difference(resolved, state.resources, prune=prune)
    problems = fixed_problems(found)
    if problems:
        error = unusable(problems, session.notes)
        raise CommandError(
            ExitCode.REFUSED, error.message, error.code, (), error.recommended_action
        )
    return found


def _show(session: Session, found: Difference) -> None:
    if session.as_json:
        session.show_json(plain_difference(found))
    else:
        show_difference(session.output, found)
