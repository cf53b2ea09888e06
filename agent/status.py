"""What `osr-agent status` shows."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from agent.clock import Clock, utc_now
from agent.exit_codes import ExitCode
from agent.identity import Identity, IdentityError, NotRegisteredError, load_identity
from agent.journal.commands import CommandJournal
from agent.journal.database import Database, JournalError
from agent.journal.inventory_base import JournalInventoryBase
from agent.registering import Say
from agent.state_folder import StateFolder
from agent.version import agent_version


def print_status(folder: StateFolder, now: datetime, say: Say, *, as_json: bool) -> ExitCode:
    """Prints it; the exit status says whether the agent is registered."""
    try:
        identity = load_identity(folder.identity)
    except NotRegisteredError:
        _print({"registered": False, "agent_version": agent_version()}, say, as_json=as_json)
        return ExitCode.NOT_REGISTERED
    except IdentityError as error:
        say(str(error), err=True)
        return ExitCode.FAILED
    try:
        found = {**_registration(identity, now), **_journal(folder, identity)}
    except JournalError as error:
        say(str(error), err=True)
        return ExitCode.FAILED
    _print(found, say, as_json=as_json)
    return ExitCode.OK


def _registration(identity: Identity, now: datetime) -> dict[str, Any]:
    not_after = identity.not_after.astimezone(UTC)
    return {
        "registered": True,
        "agent_version": agent_version(),
        "vault": identity.vault_name,
        "vault_id": str(identity.vault_id),
        "fabric_id": str(identity.fabric_id),
        "provider_id": str(identity.provider_id),
        "friendly_name": identity.friendly_name,
        "vmm_server": identity.vmm_fqdn,
        "endpoint": identity.endpoint,
        "certificate_expires_at": not_after.isoformat(),
        "certificate_expired": not_after <= now,
    }


def _journal(folder: StateFolder, identity: Identity, clock: Clock = utc_now) -> dict[str, Any]:
    path = folder.journal(identity.provider_id)
    if not path.exists():
        return {"commands": {}, "inventory_revision": 0}
    database = Database(path)
    try:
        counts = CommandJournal(database, clock).counts()
        return {
            "commands": {state.value: count for state, count in counts.items()},
            "inventory_revision": JournalInventoryBase(database).revision(),
        }
    finally:
        database.close()


def _print(found: dict[str, Any], say: Say, *, as_json: bool) -> None:
    if as_json:
        say(json.dumps(found, ensure_ascii=False))
        return
    for name, value in found.items():
        shown = (
            ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        )
        say(f"{name.replace('_', ' '):24}{shown}")
