"""What somebody may do in a subscription: roles and where they hold."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from coordinator.access.role_definitions import role_allows


@dataclass(frozen=True)
class Grant:
    """A role and where it holds: in a vault, else a resource group, else the subscription.

    Attributes:
        role_id: Id of the role's definition.
        resource_group: In small letters; "" when it holds in a vault or everywhere.
        vault_id: None when it holds in more than a vault.
    """

    role_id: UUID
    resource_group: str = ""
    vault_id: UUID | None = None

    def holds_in(self, resource_group: str, vault_id: UUID | None) -> bool:
        """Whether it holds in a resource group ("": the subscription) or vault."""
        if self.vault_id is not None:
            return self.vault_id == vault_id
        return self.resource_group in {"", resource_group.lower()}


@dataclass(frozen=True)
class Rights:
    """All grants of one principal in one subscription."""

    grants: tuple[Grant, ...]

    def allow(self, action: str, resource_group: str = "", vault_id: UUID | None = None) -> bool:
        """Whether an action is allowed there.

        Args:
            action: As `action_of` writes it.
            resource_group: Where; "" is the subscription itself.
            vault_id: The vault, when it is about one that is there.
        """
        return any(
            grant.holds_in(resource_group, vault_id) and role_allows(grant.role_id, action)
            for grant in self.grants
        )
