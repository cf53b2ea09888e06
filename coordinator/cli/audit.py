"""osr audit."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

import typer

from coordinator.cli.audit_chain import AuditWalk, lines_of
from coordinator.cli.clients import API_VERSION
from coordinator.cli.events import quoted
from coordinator.cli.failures import CommandError, ExitCode
from coordinator.cli.outputs import Answers
from coordinator.cli.private_files import write_private
from coordinator.cli.session import Session, command, local_command

app = typer.Typer(
    no_args_is_help=True, help="The audit: who did what in the vault, and what was denied."
)

NUMBER = "Record"
MOST_OF_A_PAGE = 500
NAMESPACE = "Microsoft.RecoveryServices/vaults/"

HeadOption = Annotated[
    Path | None,
    typer.Option("--head", help="A head that was put aside with: osr audit head FILE."),
]


def _of(name: str) -> Callable[[Any], str]:
    return lambda record: str(record["properties"].get(name, ""))


COLUMNS = {
    NUMBER: _of("sequence"),
    "Time": lambda record: str(record["properties"]["time"])[:19].replace("T", " "),
    "Who": _of("principalName"),
    "From": _of("address"),
    "Action": lambda record: str(record["properties"]["action"]).removeprefix(NAMESPACE),
    "On": lambda record: str(record["properties"].get("resource", "")).rpartition("/")[2],
    "Outcome": _of("outcome"),
    "Code": _of("code"),
}


@command(app, "list")
def list_records(  # noqa: PLR0913, PLR0917 - each is an option of the command
    session: Session,
    who: Annotated[str | None, typer.Option(help="Name of a program or person.")] = None,
    action: Annotated[str | None, typer.Option(help="Azure's name of the action.")] = None,
    outcome: Annotated[
        str | None,
        typer.Option(help="Succeeded, Accepted, Begun, Denied, Refused or Failed."),
    ] = None,
    on: Annotated[str | None, typer.Option(help="Id of a resource, as records have it.")] = None,
    job: Annotated[str | None, typer.Option(help="Name of a job.")] = None,
    since: Annotated[str | None, typer.Option(help="From this time on (ISO 8601, UTC).")] = None,
    until: Annotated[str | None, typer.Option(help="Up to this time (ISO 8601, UTC).")] = None,
    count: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
) -> None:
    """Lists what was done, and what was denied, newest first."""
    wanted = {
        "principalName": who,
        "action": action,
        "outcome": outcome,
        "resource": on,
        "job": job,
        "startTime": since,
        "endTime": until,
    }
    clauses = [f"{name} eq '{quoted(value)}'" for name, value in wanted.items() if value]
    session.show(_first(session, " and ".join(clauses), count), COLUMNS, whole=NUMBER)


def _first(session: Session, clauses: str, count: int) -> list[Any]:
    parameters = {"$take": str(min(count, MOST_OF_A_PAGE))}
    if clauses:
        parameters["$filter"] = clauses
    found: list[Any] = []
    while True:
        answer: Any = session.clients.send("GET", "/auditRecords", parameters=parameters)
        found += answer["value"]
        if len(found) >= count or not answer.get("nextLink"):
            return found[:count]
        [parameters["$skipToken"]] = parse_qs(urlsplit(answer["nextLink"]).query)["$skipToken"]


@command(app)
def show(session: Session, record: Annotated[int, typer.Argument(help="Its number.")]) -> None:
    """Shows all that a record tells."""
    found: Mapping[str, Any] = session.clients.send("GET", f"/auditRecords/{record}")
    if session.as_json:
        session.show_one(found, {})
        return
    told = found["properties"]
    session.show_one(told, {name: _field(name) for name in told})


@command(app)
def head(
    session: Session,
    file: Annotated[
        Path | None, typer.Argument(help="File to write; without one it is printed.")
    ] = None,
) -> None:
    """Fetches the signed end of the audit, to be put aside where nobody can change it."""
    found: Mapping[str, Any] = session.clients.send("GET", "/auditHead")
    if file is None:
        session.show_one(found, {name: _field(name) for name in found})
        return
    write_private(file, json.dumps(found, indent=2) + "\n")
    session.tell(f"Head {found['sequence']} of the audit was written to {file}.")


def _field(name: str) -> Callable[[Any], str]:
    return lambda told: str(told[name])


@command(app)
def export(
    session: Session, file: Annotated[Path, typer.Argument(help="File to write: JSON lines.")]
) -> None:
    """Writes the whole audit to a file, verified on the way."""
    walk = AuditWalk()
    try:
        with file.open("xb") as stream:
            for line in _exported(session):
                stream.write(line)
                walk.take(line)
    except OSError as error:
        raise CommandError(
            ExitCode.USAGE,
            f"{file} cannot be written: {error.strerror}.",
            possible_causes=["It is there already.", "The folder is not there, or full."],
            recommended_action="Give another file.",
        ) from error
    _tell(session, walk, str(file))


@command(app)
def verify(session: Session, head_file: HeadOption = None) -> None:
    """Verifies the audit: each record by its hash, the end by its signature.

    Ends with 11 when something is wrong, and says which record is the first.
    """
    walk = AuditWalk(_kept(head_file))
    for line in _exported(session):
        walk.take(line)
    _tell(session, walk, "The audit")


@local_command(app, "verify-file")
def verify_file(
    answers: Answers,
    file: Annotated[Path, typer.Argument(help="A file that osr audit export wrote.")],
    head_file: HeadOption = None,
) -> None:
    """Verifies an exported audit, without the coordinator."""
    walk = AuditWalk(_kept(head_file))
    try:
        with file.open("rb") as stream:
            for line in lines_of(iter(lambda: stream.read(1 << 16), b"")):
                walk.take(line)
    except OSError as error:
        raise _unreadable(file, str(error.strerror)) from error
    _tell(answers, walk, str(file))


def _exported(session: Session) -> Iterator[bytes]:
    from azure.core.rest import HttpRequest  # noqa: PLC0415 - Microsoft's packages take long

    clients = session.clients
    request = HttpRequest(
        "POST",
        f"{clients.endpoint}{clients.vault_id}/auditRecords/export",
        params={"api-version": API_VERSION},
    )
    response = clients.site_recovery.send_request(request, stream=True)
    with response:
        if response.status_code >= 400:
            response.read()
            response.raise_for_status()
        yield from lines_of(response.iter_bytes())


def _tell(answers: Answers, walk: AuditWalk, what: str) -> None:
    finding = walk.finish()
    if finding is not None:
        raise CommandError(
            ExitCode.AUDIT_ALTERED,
            f"The audit is wrong at record {finding.sequence}: {finding.problem}",
            code="AuditAltered",
            possible_causes=[
                "Somebody altered the coordinator's database, or the file.",
                "The database was brought back from a backup.",
                "The file was not written to its end.",
            ],
            recommended_action="Compare with earlier exports and kept heads; see "
            "deploy/docs/audit.md.",
        )
    signed = walk.head or {}
    told = {
        "audit": what,
        "lastRecord": signed.get("sequence"),
        "correct": True,
        "publicKey": signed.get("publicKey"),
    }
    columns = {
        "Audit": _field("audit"),
        "Last record": _field("lastRecord"),
        "Records": lambda _told: "all as they were written",
        "Signed with": _field("publicKey"),
    }
    answers.show_one(told, columns)


def _kept(file: Path | None) -> Mapping[str, Any] | None:
    if file is None:
        return None
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise _unreadable(file, str(error.strerror)) from error
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("sequence"), int):
        raise _unreadable(file, "there is no head of an audit in it")
    return found


def _unreadable(file: Path, reason: str) -> CommandError:
    return CommandError(
        ExitCode.USAGE,
        f"{file} cannot be read: {reason}.",
        possible_causes=["The path is wrong.", "The file is something else."],
        recommended_action="Give a file that osr audit wrote.",
    )
