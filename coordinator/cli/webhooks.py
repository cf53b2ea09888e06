"""osr webhook."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeAlias
from urllib.parse import quote

import typer

from coordinator.cli.confirmation import YesOption, confirm
from coordinator.cli.failures import CommandError, ExitCode
from coordinator.cli.private_files import write_private
from coordinator.cli.session import Session, command

app = typer.Typer(
    no_args_is_help=True, help="Webhooks: addresses that a vault's events are posted to."
)

NameArgument = Annotated[str, typer.Argument(help="The webhook's name.")]
StateOption: TypeAlias = Annotated[
    str | None, typer.Option("--state", help="Pending, Delivered or Dead.")
]
SecretOption = Annotated[
    Path, typer.Option("--secret-file", help="File to write the secret to; only you can read it.")
]

COLUMNS = {
    "Webhook": lambda webhook: str(webhook["name"]),
    "URL": lambda webhook: str(webhook["properties"]["url"]),
    "Enabled": lambda webhook: "yes" if webhook["properties"]["enabled"] else "no",
    "Types": lambda webhook: ", ".join(webhook["properties"]["eventTypes"]) or "all",
    "Severities": lambda webhook: ", ".join(webhook["properties"]["severities"]) or "all",
    "Made by": lambda webhook: str(webhook["properties"]["createdBy"]),
}
DELIVERIES = {
    "Delivery": lambda delivery: str(delivery["name"]),
    "State": lambda delivery: str(delivery["properties"]["state"]),
    "To": lambda delivery: str(delivery["properties"]["address"] or "webhook"),
    "Tells of": lambda delivery: (
        f"{delivery['properties']['kind']} ({delivery['properties']['eventCount']})"
    ),
    "Made": lambda delivery: str(delivery["properties"]["createdAt"])[:19],
    "Attempts": lambda delivery: str(delivery["properties"]["attempts"]),
    "Next": lambda delivery: str(delivery["properties"]["nextAttemptAt"] or "-")[:19],
    "Last problem": lambda delivery: str(delivery["properties"]["lastProblem"] or "-"),
}


@command(app, "list")
def list_webhooks(session: Session) -> None:
    """Lists the webhooks."""
    session.show(_all(session, "/webhooks"), COLUMNS, whole="Webhook")


@command(app)
def show(session: Session, name: NameArgument) -> None:
    """Shows a webhook."""
    session.show_one(session.clients.send("GET", _address(name)), COLUMNS)


@command(app)
def create(
    session: Session,
    name: NameArgument,
    url: Annotated[str, typer.Option(help="Where events are posted: https://...")],
    secret_file: SecretOption,
    kind: Annotated[
        list[str] | None, typer.Option("--type", help="Only events of this type. Repeat it.")
    ] = None,
    severity: Annotated[
        list[str] | None, typer.Option("--severity", help="Only events as severe. Repeat it.")
    ] = None,
) -> None:
    """Makes a webhook; the secret its requests are signed with is shown to nobody again."""
    known = [webhook["name"].casefold() for webhook in _all(session, "/webhooks")]
    if name.casefold() in known:
        raise CommandError(
            ExitCode.REFUSED,
            f"There is a webhook {name}.",
            recommended_action="Change it with `osr webhook update`, or choose another name.",
        )
    properties = {"url": url, "eventTypes": kind or [], "severities": severity or []}
    made: Any = session.clients.send("PUT", _address(name), {"properties": properties})
    _keep_secret(session, made, secret_file)


@command(app)
def update(
    session: Session,
    name: NameArgument,
    url: Annotated[str | None, typer.Option(help="Where events are posted.")] = None,
    kind: Annotated[
        list[str] | None, typer.Option("--type", help="Only events of this type. Repeat it.")
    ] = None,
    severity: Annotated[
        list[str] | None, typer.Option("--severity", help="Only events as severe. Repeat it.")
    ] = None,
    enabled: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Whether events are posted.")
    ] = None,
) -> None:
    """Changes a webhook; what is not given stays as it is."""
    known: Any = session.clients.send("GET", _address(name))["properties"]
    properties = {
        "url": known["url"] if url is None else url,
        "enabled": known["enabled"] if enabled is None else enabled,
        "eventTypes": known["eventTypes"] if kind is None else kind,
        "severities": known["severities"] if severity is None else severity,
    }
    changed = session.clients.send("PUT", _address(name), {"properties": properties})
    session.show_one(changed, COLUMNS)


@command(app)
def rotate(session: Session, name: NameArgument, secret_file: SecretOption) -> None:
    """Gives a webhook a new secret; for a day requests are signed with the former one as well."""
    made: Any = session.clients.send("POST", f"{_address(name)}/rotateSecret")
    _keep_secret(session, made, secret_file)


@command(app)
def test(session: Session, name: NameArgument) -> None:
    """Has a request sent that tells of nothing; `osr webhook deliveries` says if it arrived."""
    session.show_one(session.clients.send("POST", f"{_address(name)}/test"), DELIVERIES)


@command(app)
def deliveries(session: Session, name: NameArgument, state: StateOption = None) -> None:
    """Lists requests on their way, and those of the last two weeks."""
    found = deliveries_of(session, _address(name), state)
    session.show(found, DELIVERIES, whole="Delivery")


@command(app)
def redeliver(
    session: Session,
    name: NameArgument,
    delivery: Annotated[str, typer.Argument(help="The delivery's id.")],
) -> None:
    """Has a request that was given up sent again, under the same id."""
    address = f"{_address(name)}/deliveries/{quote(delivery, safe='')}/redeliver"
    session.show_one(session.clients.send("POST", address), DELIVERIES)


@command(app)
def delete(session: Session, name: NameArgument, yes: YesOption = False) -> None:
    """Deletes a webhook, with what is on its way to it."""
    session.clients.send("GET", _address(name))
    confirm(
        session, f"Nothing is posted to {name} any more, and its secret is gone.", name, yes=yes
    )
    session.clients.send("DELETE", _address(name))
    session.tell(f"The webhook {name} is deleted.")


def deliveries_of(session: Session, place: str, state: str | None) -> list[Any]:
    """Deliveries to one place, newest first: the first page, which says what matters."""
    parameters = {} if state is None else {"$filter": f"state eq '{state}'"}
    return _all(session, f"{place}/deliveries", parameters)


def _all(session: Session, address: str, parameters: dict[str, str] | None = None) -> list[Any]:
    found: Any = session.clients.send("GET", address, parameters=parameters)
    return list(found["value"])


def _keep_secret(session: Session, made: Any, file: Path) -> None:
    write_private(file, f"{made['properties'].pop('secret')}\n")
    session.show_one(made, {**COLUMNS, "Secret": lambda _webhook: str(file)})


def _address(name: str) -> str:
    return f"/webhooks/{quote(name, safe='')}"
