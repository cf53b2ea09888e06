"""`osr-coordinator audit`: verifying, exporting and cutting the chains where they are kept."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, TypeVar
from uuid import UUID

import typer

from coordinator.config.command_auditing import command_entry, command_recorder
from coordinator.config.configuration import read_configuration
from coordinator.config.setting_up import set_up_when_installed

if TYPE_CHECKING:
    from coordinator.events.audit.queries import Exported
    from coordinator.events.audit.services import Head
    from coordinator.events.models import AuditChain

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True, help="The audit: who did what, in hash chains.")

TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S%z"]

ChainArgument = Annotated[
    UUID, typer.Argument(help="Id of the chain (osr-coordinator audit list).")
]
NewFileOption = Annotated[Path, typer.Option("--output", help="File to write; must not be there.")]
KeptOption = Annotated[
    list[Path],
    typer.Option("--head", help="A head that was put aside (audit head); may be repeated."),
]


@app.command("list")
def list_chains() -> None:
    """Lists the chains: the installation's, and one of each vault there was."""
    set_up_when_installed()
    from coordinator.events.audit import queries  # noqa: PLC0415 - Django is set up now

    for chain in queries.list_chains():
        print(f"{chain.id}  {chain.first_sequence}-{chain.last_sequence}  {chain.name}")


@app.command()
def verify(
    chain: Annotated[list[UUID] | None, typer.Argument(help="Chains; none: all.")] = None,
    head: KeptOption = [],  # noqa: B006 - Typer copies it
) -> None:
    """Verifies chains: every record, the head's signature, and heads that were put aside.

    Ends with 1 when something is wrong, and says of each chain which record is the first.
    """
    set_up_when_installed()
    from coordinator.events.audit import queries, services  # noqa: PLC0415 - Django is set up now

    key = command_recorder(read_configuration().state).signer.public
    kept = {found.chain: found for found in (_kept_head(file) for file in head)}
    known = {row.id for row in queries.list_chains()}
    lost = [one for one in {*kept, *(chain or [])} if one not in known]
    for one in lost:
        print(f"WRONG    {one}: there is no such chain.")
    wrong = bool(lost)
    for one in sorted(known if not chain else known & set(chain)):
        told = services.verify_chain(one, key, kept.get(one))
        if told.finding is None:
            print(f"correct  {one}: {told.records} records, {told.name}")
        else:
            wrong = True
            place, problem = told.finding.sequence, told.finding.problem
            print(f"WRONG    {one}: record {place} of {told.name}: {problem}")
    raise typer.Exit(1 if wrong else 0)


@app.command()
def head(chain: ChainArgument, output: NewFileOption) -> None:
    """Writes a chain's signed head to a file; put aside, it shows later that records are gone."""
    set_up_when_installed()
    found = _chain(chain)
    _write_new(
        output, lambda file: file.write(json.dumps(found.head.as_fields(), indent=2).encode())
    )


@app.command()
def export(chain: ChainArgument, output: NewFileOption) -> None:
    """Writes a whole chain to a file of JSON lines, which `osr audit verify` verifies anywhere."""
    set_up_when_installed()
    from coordinator.events.audit import queries, services  # noqa: PLC0415 - Django is set up now

    exported = queries.exported(_chain(chain))
    _write_new(output, lambda file: services.write_export(exported, file))


@app.command()
def cut(
    chain: ChainArgument,
    before: Annotated[
        datetime, typer.Option(formats=TIMES, help="Records from before this time (UTC) go.")
    ],
    output: NewFileOption,
) -> None:
    """Moves a chain's old records to a file; the chain says from then on that it was cut.

    The whole chain is verified first: of one that was altered nothing is cut off.
    """
    set_up_when_installed()
    from coordinator.events.audit import services  # noqa: PLC0415 - Django is set up now

    recorder = command_recorder(read_configuration().state)
    found = _chain(chain)
    verified = services.verify_chain(chain, recorder.signer.public)
    if verified.finding is not None:
        finding = verified.finding
        raise _ended(f"Record {finding.sequence} is wrong: {finding.problem} Nothing was cut.")
    part: Exported = _or_exit(lambda: services.old_part(found, _utc(before), recorder))
    digest = _write_new(output, lambda file: services.write_export(part, file))
    by = command_entry("audit/cut")
    count = _or_exit(lambda: services.cut(chain, part, digest, by, recorder))
    print(f"{count} records were moved to {output} (SHA-256 {digest}).")


def _chain(chain_id: UUID) -> AuditChain:
    from coordinator.events.audit import queries  # noqa: PLC0415 - Django is set up now

    found = queries.find_chain_by_id(chain_id)
    if found is None:
        raise _ended(f"There is no chain {chain_id}. See: osr-coordinator audit list")
    return found


def _kept_head(file: Path) -> Head:
    from coordinator.events.audit.services import Head  # noqa: PLC0415 - Django is set up now

    try:
        told: Any = json.loads(file.read_text(encoding="utf-8"))
        return Head(
            UUID(told["chain"]),
            int(told["sequence"]),
            bytes.fromhex(told["hash"]),
            bytes.fromhex(told["publicKey"]),
            bytes.fromhex(told["signature"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _ended(f"{file} has no head of a chain in it: {error}.") from error


def _write_new(output: Path, write: Callable[[BinaryIO], T]) -> T:
    """Writes a file that is on the disk when this returns, readable by us only."""
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            written = write(file)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _ended(f"{output} cannot be written: {error.strerror}.") from error
    return written


def _or_exit(work: Callable[[], T]) -> T:
    from coordinator.failures import RefusedError  # noqa: PLC0415 - as late as the rest

    try:
        return work()
    except RefusedError as refusal:
        failure = refusal.failure
        raise _ended(f"{failure.message} {failure.recommended_action}") from refusal


def _ended(message: str) -> typer.Exit:
    print(message, file=sys.stderr)
    return typer.Exit(1)


def _utc(time: datetime) -> datetime:
    return time if time.tzinfo else time.replace(tzinfo=UTC)
