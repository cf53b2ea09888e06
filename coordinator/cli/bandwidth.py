"""osr bandwidth."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from coordinator.cli.completion import complete_servers
from coordinator.cli.confirmation import YesOption, confirm
from coordinator.cli.names import find_server
from coordinator.cli.operations import (
    DEFAULT_LIMIT_SECONDS,
    LimitOption,
    WaitOption,
    follow,
)
from coordinator.cli.session import Session, command

app = typer.Typer(no_args_is_help=True, help="How much hosts may send for replication, and when.")

# The API knows limits by name; a server has one, so people need none.
NAME = "replication"
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
UNITS = {"bps": 1, "kbps": 10**3, "mbps": 10**6, "gbps": 10**9}
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*(bps|kbps|mbps|gbps)", re.IGNORECASE)
_WINDOW = re.compile(r"(\S+)\s+(\d{1,2}:\d{2})-(\d{1,2}:\d{2})\s+(\S+)")

ServerArgument = Annotated[
    str, typer.Argument(help="Server whose hosts send.", autocompletion=complete_servers)
]
COLUMNS = {
    "Server": lambda limit: str(limit["properties"]["fabricFriendlyName"]),
    "Now": lambda limit: shown_rate(limit["properties"]["currentBitsPerSecond"]),
    "Changes": lambda limit: str(limit["properties"]["nextChangeTime"] or "never")[:16],
    "Otherwise": lambda limit: shown_rate(limit["properties"]["bitsPerSecond"]),
    "Windows": lambda limit: "; ".join(map(shown_window, limit["properties"]["windows"])) or "-",
    "Zone": lambda limit: str(limit["properties"]["timeZone"]),
    "State": lambda limit: str(limit["properties"]["state"]),
}


@command(app, "set")
def set_limit(  # noqa: PLR0913, PLR0917 - each is an option of the command
    session: Session,
    server: ServerArgument,
    rate: Annotated[
        str | None,
        typer.Option("--limit", help="Of each host, at all times outside windows: 100Mbps."),
    ] = None,
    window: Annotated[
        list[str] | None,
        typer.Option(help='Days, times and limit: "Monday-Friday 08:00-18:00 20Mbps".'),
    ] = None,
    time_zone: Annotated[
        str, typer.Option(help="Zone of the windows' times: Asia/Shanghai.")
    ] = "UTC",
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Limits what each host of a server sends for replication."""
    properties: dict[str, object] = {
        "timeZone": time_zone,
        "windows": [read_window(text) for text in window or []],
    }
    if rate is not None:
        properties["bitsPerSecond"] = read_rate(rate)
    job_name = session.clients.start("PUT", _address(session, server), {"properties": properties})
    if job_name:
        follow(session, job_name, wait=wait, limit_seconds=limit_seconds)
        return
    limit = session.clients.send("GET", _address(session, server))
    session.show_one(limit, COLUMNS)


@command(app, "list")
def list_limits(session: Session) -> None:
    """Lists the limits."""
    found: Any = session.clients.send("GET", "/replicationBandwidthLimits")
    session.show(found["value"], COLUMNS)


@command(app)
def show(session: Session, server: ServerArgument) -> None:
    """Shows a server's limit and how far it has come on each host."""
    limit: Any = session.clients.send("GET", _address(session, server))
    hosts = {
        str(each["host"]): lambda _, each=each: (
            f"{shown_rate(each['bitsPerSecond'])}, {each['state']}"
        )
        for each in limit["properties"]["hosts"]
    }
    session.show_one(limit, {**COLUMNS, **hosts})


@command(app)
def remove(
    session: Session,
    server: ServerArgument,
    yes: YesOption = False,
    wait: WaitOption = True,
    limit_seconds: LimitOption = DEFAULT_LIMIT_SECONDS,
) -> None:
    """Ends the limit: hosts send as fast as they can."""
    text = f"This removes the bandwidth limit of {server}: its hosts send as fast as they can."
    confirm(session, text, server, yes=yes)
    job_name = session.clients.start("DELETE", _address(session, server))
    if job_name:
        follow(session, job_name, wait=wait, limit_seconds=limit_seconds)
    session.tell(f"{server} has no bandwidth limit.")


def read_rate(text: str) -> int:
    """Bits a second of "20Mbps".

    Raises:
        typer.BadParameter: It is no rate.
    """
    match = _RATE.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} is no rate, as 20Mbps or 512Kbps is.")
    return round(float(match[1]) * UNITS[match[2].lower()])


def read_window(text: str) -> dict[str, object]:
    """A window of the API, of "Monday-Friday 08:00-18:00 20Mbps".

    Raises:
        typer.BadParameter: It is none.
    """
    match = _WINDOW.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter(
            f'{text!r} is no window, as "Monday-Friday 08:00-18:00 20Mbps" is.'
        )
    return {
        "days": read_days(match[1]),
        "start": match[2].zfill(5),
        "end": match[3].zfill(5),
        "bitsPerSecond": read_rate(match[4]),
    }


def read_days(text: str) -> list[str]:
    """Names of days, of "daily", "Mon,Wed" or "Friday-Monday".

    Raises:
        typer.BadParameter: It names something else.
    """
    if text.lower() in {"daily", "all"}:
        return list(DAYS)
    days: list[str] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        start = _day(first)
        end = _day(last) if dash else start
        days += [DAYS[index % 7] for index in range(start, start + (end - start) % 7 + 1)]
    return list(dict.fromkeys(days))


def _day(text: str) -> int:
    """At least three letters of its name."""
    for index, day in enumerate(DAYS):
        if len(text) >= len("Mon") and day.lower().startswith(text.lower()):
            return index
    raise typer.BadParameter(f"{text!r} is no day of the week.")


def shown_rate(bits_per_second: int | None) -> str:
    """As people write it."""
    if bits_per_second is None:
        return "unlimited"
    for unit, size in (("Gbps", 10**9), ("Mbps", 10**6), ("Kbps", 10**3)):
        if bits_per_second >= size:
            return f"{bits_per_second / size:g} {unit}"
    return f"{bits_per_second} bps"


def shown_window(window: Any) -> str:
    days = "daily" if len(window["days"]) == len(DAYS) else ",".join(d[:3] for d in window["days"])
    return f"{days} {window['start']}-{window['end']} {shown_rate(window['bitsPerSecond'])}"


def _address(session: Session, server: str) -> str:
    fabric = find_server(session.clients, server).name
    return f"/replicationFabrics/{fabric}/replicationBandwidthLimits/{NAME}"
