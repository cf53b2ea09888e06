"""osr alerts."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from coordinator.cli.failures import CommandError, ExitCode
from coordinator.cli.session import Session, command
from coordinator.cli.webhooks import DELIVERIES, StateOption, deliveries_of

app = typer.Typer(no_args_is_help=True, help="E-mail about a vault: who is sent it.")

# A vault has one setting, and ASR calls it so.
NAME = "defaultAlertSetting"
COLUMNS = {
    "Owners": lambda alert: "sent" if alert.properties.send_to_owners == "Send" else "not sent",
    "Addresses": lambda alert: ", ".join(alert.properties.custom_email_addresses or []) or "-",
    "Locale": lambda alert: str(alert.properties.locale),
    "Mail server": lambda alert: (
        "configured"
        if alert.properties.get("mailServer") == "Configured"
        else "none: nothing is sent (OSR_SMTP_HOST)"
    ),
}


@command(app)
def show(session: Session) -> None:
    """Shows who is sent e-mail when something is wrong."""
    session.show_one(_setting(session), COLUMNS)


@command(app, "set")
def set_alerts(
    session: Session,
    owners: Annotated[
        bool | None, typer.Option("--owners/--no-owners", help="Send to the vault's owners.")
    ] = None,
    address: Annotated[
        list[str] | None, typer.Option("--address", help="Send to it; all others go. Repeat it.")
    ] = None,
    locale: Annotated[str | None, typer.Option(help="Of the mails: en-US or zh-CN.")] = None,
    off: Annotated[bool, typer.Option("--off", help="Send to nobody.")] = False,
) -> None:
    """Changes who is sent e-mail; what is not given stays as it is."""
    if off and (owners or address):
        raise CommandError(
            ExitCode.REFUSED,
            "--off sends to nobody, and the other options to somebody.",
            recommended_action="Give one or the other.",
        )
    known = _setting(session).properties
    send = known.send_to_owners == "Send" if owners is None else owners
    addresses = known.custom_email_addresses if address is None else address
    wanted = {
        "properties": {
            "sendToOwners": "Send" if send and not off else "DoNotSend",
            "customEmailAddresses": [] if off else list(addresses or []),
            "locale": locale or known.locale,
        }
    }
    clients = session.clients
    changed: Any = clients.site_recovery.replication_alert_settings.create(
        *clients.scope, NAME, wanted
    )
    session.show_one(changed, COLUMNS)


@command(app)
def mails(session: Session, state: StateOption = None) -> None:
    """Lists mails on their way, and those of the last two weeks."""
    found = deliveries_of(session, f"/replicationAlertSettings/{NAME}", state)
    session.show(found, DELIVERIES, whole="Delivery")


@command(app)
def redeliver(
    session: Session, mail: Annotated[str, typer.Argument(help="The delivery's id.")]
) -> None:
    """Has a mail that was given up sent again."""
    address = f"/replicationAlertSettings/{NAME}/deliveries/{mail}/redeliver"
    session.show_one(session.clients.send("POST", address), DELIVERIES)


def _setting(session: Session) -> Any:
    clients = session.clients
    return clients.site_recovery.replication_alert_settings.get(*clients.scope, NAME)
