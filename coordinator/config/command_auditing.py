"""The audit of the administrator's command: who ran it at the coordinator, and on what."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coordinator.events.audit.services import Entry, Recorder


def account() -> str:
    """Whose process this is; after sudo, who it was before."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        # A container may run with a number that no account has.
        user = str(os.getuid())
    before = os.environ.get("SUDO_USER", "")
    return f"{before} as {user}" if before and before != user else user


def command_entry(
    action: str, resource: str = "", given: Mapping[str, str] = MappingProxyType({})
) -> Entry:
    """A record of a command.

    Args:
        action: For example "person/create".
        resource: What it was done to.
        given: What of its options is kept.
    """
    from coordinator.events.audit.services import Entry, Outcome  # noqa: PLC0415 - Django is set up

    return Entry(
        at=datetime.now(UTC),
        action=f"OpenSiteRecovery/commands/{action}/action",
        outcome=Outcome.SUCCEEDED,
        principal_type="Administrator",
        principal_name=account(),
        resource=resource,
        details=dict(given),
    )


def command_recorder(state: Path) -> Recorder:
    """The recorder of an installation.

    Args:
        state: Its state folder.
    """
    from coordinator.events.audit.services import process_recorder  # noqa: PLC0415 - likewise

    return process_recorder(state / "ca")


def record_command(state: Path, entry: Entry) -> None:
    """Records a command as the last statement of the transaction that is open."""
    from coordinator.events.audit.services import INSTALLATION  # noqa: PLC0415 - likewise

    command_recorder(state).record(INSTALLATION, entry)
