"""Reading vaults and registration keys."""

from __future__ import annotations

from uuid import UUID

from coordinator.vaults.models import RegistrationKey, Vault


def find_vault(subscription_id: UUID, resource_group: str, name: str) -> Vault | None:
    """The vault of that name, whatever the case of it and of the group."""
    return Vault.objects.filter(
        subscription_id=subscription_id, resource_group__iexact=resource_group, name__iexact=name
    ).first()


def list_vaults(subscription_id: UUID, resource_group: str | None = None) -> list[Vault]:
    """Vaults of a subscription, or of one of its resource groups, by name."""
    vaults = Vault.objects.filter(subscription_id=subscription_id)
    if resource_group is not None:
        vaults = vaults.filter(resource_group__iexact=resource_group)
    return list(vaults.order_by("name", "id"))


def list_registration_keys(vault_id: UUID) -> list[RegistrationKey]:
    """All keys that were given out for a vault, newest first; none has its secret."""
    keys = RegistrationKey.objects.filter(vault_id=vault_id)
    return list(keys.order_by("-created_at", "id"))


def find_registration_key(vault_id: UUID, key_id: UUID) -> RegistrationKey | None:
    return RegistrationKey.objects.filter(vault_id=vault_id, id=key_id).first()
