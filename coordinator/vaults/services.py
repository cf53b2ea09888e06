"""The vaults domain's verbs: those of a vault here, of keys and authorities from beside."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from django.db.models import ProtectedError

from coordinator.failures import RefusedError, refuse
from coordinator.vaults.authority import (
    REGISTRATION_NAME,
    SESSION_NAME,
    Authority,
    ServerCertificate,
    ensure_authority,
    ensure_server_certificate,
    provider_uri,
    read_provider_uri,
)
from coordinator.vaults.certificates import read_request_key
from coordinator.vaults.key_files import ensure_secret
from coordinator.vaults.key_services import (
    DEFAULT_MAX_USES,
    GeneratedKey,
    KeyIssuer,
    admit_key,
    count_use,
    generate_registration_key,
    revoke_registration_key,
)
from coordinator.vaults.models import Vault
from coordinator.vaults.queries import find_vault
from coordinator.vaults.replication_authority import (
    HOST_LIFETIME as HOST_CERTIFICATE_LIFETIME,
)
from coordinator.vaults.replication_authority import (
    HostCertificate,
    ReplicationAuthority,
    ensure_replication_authority,
)
from coordinator.vaults.tags import set_tags

__all__ = [
    "DEFAULT_MAX_USES",
    "HOST_CERTIFICATE_LIFETIME",
    "REGISTRATION_NAME",
    "SESSION_NAME",
    "Authority",
    "GeneratedKey",
    "HostCertificate",
    "KeyIssuer",
    "ReplicationAuthority",
    "ServerCertificate",
    "VaultContent",
    "VaultName",
    "admit_key",
    "count_use",
    "create_vault",
    "delete_vault",
    "ensure_authority",
    "ensure_replication_authority",
    "ensure_secret",
    "ensure_server_certificate",
    "generate_registration_key",
    "provider_uri",
    "read_provider_uri",
    "read_request_key",
    "revoke_registration_key",
    "set_tags",
]

log = structlog.get_logger(__name__)

# ASR's rule for vault names: 2 to 50 characters, beginning with a letter.
NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,49}")
RESOURCE_GROUP = re.compile(r"[\w.()-]{0,89}[\w()-]")
LOCATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9 -]{0,63}")


@dataclass(frozen=True)
class VaultContent:
    """Something that keeps a vault from being deleted.

    Attributes:
        kind: For people, in the singular: "registered server", "protected item".
        name: The object's name.
    """

    kind: str
    name: str


FindContents = Callable[[UUID], Sequence[VaultContent]]


@dataclass(frozen=True)
class VaultName:
    """Where a vault is: names are equal whatever their case, within a subscription and group."""

    subscription_id: UUID
    resource_group: str
    name: str


def create_vault(name: VaultName, location: str, now: datetime) -> Vault:
    """Makes a vault.

    Args:
        name: Where it is to be.
        location: A label such as "westeurope"; cannot be changed afterwards.
        now: Time of creation.

    Returns:
        The vault; the one that is there already when it was made before with this location.

    Raises:
        RefusedError: InvalidVaultName, InvalidResourceGroup or InvalidLocation; or
            VaultLocationConflict (409) when the vault exists elsewhere.

    Idempotent.

    Source: SPEC VA-1.
    """
    check_field(NAME, name.name, "InvalidVaultName", "name", "2 to 50 letters, digits and hyphens")
    check_field(
        RESOURCE_GROUP,
        name.resource_group,
        "InvalidResourceGroup",
        "resourceGroup",
        "1 to 90 letters, digits, underscores, hyphens, periods and parentheses, no period last",
    )
    check_field(LOCATION, location, "InvalidLocation", "location", "1 to 64 letters and digits")
    vault = find_vault(name.subscription_id, name.resource_group, name.name)
    if vault is None:
        # Two requests at once: one inserts, the other waits for it and finds its vault.
        draft = Vault(
            subscription_id=name.subscription_id,
            resource_group=name.resource_group,
            name=name.name,
            location=location,
            created_at=now,
        )
        Vault.objects.bulk_create([draft], ignore_conflicts=True)
        vault = find_vault(name.subscription_id, name.resource_group, name.name)
        if vault is None:
            raise vault_not_found(name.name)
        if vault.id == draft.id:
            log.info("vault.created", vault_id=str(vault.id), vault=vault.name)
    if vault.location != location:
        raise refuse(
            "VaultLocationConflict",
            f'The vault "{vault.name}" exists in location "{vault.location}" and cannot move to'
            f' "{location}".',
            causes=["A vault of this name was created before."],
            action="Use the existing location, or choose another name.",
            status=409,
            field="location",
        )
    return vault


def check_field(pattern: re.Pattern[str], value: str, code: str, field: str, allowed: str) -> None:
    if pattern.fullmatch(value):
        return
    raise refuse(
        code,
        f'"{value}" cannot be used for "{field}". Allowed: {allowed}.',
        causes=["The value has a character that is not allowed, or is too short or too long."],
        action=f'Choose a value for "{field}" of {allowed}.',
        field=field,
    )


def delete_vault(vault_id: UUID, find_contents: Sequence[FindContents]) -> None:
    """Deletes a vault that nothing is left in, with its keys and its history.

    Args:
        vault_id: The vault.
        find_contents: One function of each domain that may hold it: recovery, protection, fabrics.

    Raises:
        RefusedError: VaultNotFound (404); VaultNotEmpty (409) naming what is left.

    Source: SPEC VA-5.
    """
    # Whoever adds something to the vault locks its row too, so nothing comes in between.
    vault = Vault.objects.select_for_update().filter(pk=vault_id).first()
    if vault is None:
        raise vault_not_found(str(vault_id))
    contents = [content for find in find_contents for content in find(vault_id)]
    if contents:
        raise vault_not_empty(vault, contents)
    try:
        vault.delete()
    except ProtectedError as error:
        left = [VaultContent("record", str(record)) for record in error.protected_objects]
        raise vault_not_empty(vault, left) from error
    log.info("vault.deleted", vault_id=str(vault_id), vault=vault.name)


def vault_not_empty(vault: Vault, contents: Sequence[VaultContent]) -> RefusedError:
    names = ", ".join(f'{content.kind} "{content.name}"' for content in contents[:20])
    more = f" and {len(contents) - 20} more" if len(contents) > 20 else ""
    return refuse(
        "VaultNotEmpty",
        f'The vault "{vault.name}" cannot be deleted. It still has: {names}{more}.',
        causes=["Servers are registered in the vault, or machines are protected."],
        action="Delete the recovery plans, disable the protection of the items, unregister the "
        "servers, then delete it.",
        status=409,
    )


def vault_not_found(name: str) -> RefusedError:
    return refuse(
        "VaultNotFound",
        f'The vault "{name}" does not exist.',
        causes=["It was deleted.", "The name is misspelt.", "It is in another resource group."],
        action="List the vaults and choose one.",
        status=404,
    )
