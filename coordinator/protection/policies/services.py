"""Creating, changing and deleting replication policies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime

from coordinator.failures import refuse
from coordinator.protection.models import Policy
from coordinator.protection.policies.rules import (
    PolicyFields,
    check_name,
    read_policy,
)
from coordinator.vaults.models import Vault


def create_policy(
    vault: Vault, name: str, provider_specific_input: Mapping[str, object], now: datetime
) -> Policy:
    """Makes a policy, or finds the one of that name with equal values.

    Args:
        vault: Its vault.
        name: Its name in resource ids.
        provider_specific_input: ASR's fields as the client sent them.
        now: Time of creation.

    Returns:
        The policy; one that no clouds use takes the new values.

    Raises:
        RefusedError: InvalidPolicyField with the field's name (status 400), or PolicyInUse (409).

    Idempotent: With equal values.

    Source: SPEC PO-1, PO-4.
    """
    check_name(name)
    fields = read_policy(provider_specific_input)
    wanted = _columns(fields)
    policy, created = Policy.objects.select_for_update().get_or_create(
        vault=vault, name=name, defaults={**wanted, "created_at": now}
    )
    if created or all(getattr(policy, column) == value for column, value in wanted.items()):
        return policy
    _refuse_in_use(policy, "changed")
    for column, value in wanted.items():
        setattr(policy, column, value)
    policy.save(update_fields=list(wanted))
    return policy


def delete_policy(policy: Policy) -> None:
    """Deletes a policy that no clouds use.

    Raises:
        RefusedError: PolicyInUse, status 409, naming the clouds.

    Source: SPEC PO-4.
    """
    held = Policy.objects.select_for_update().get(id=policy.id)
    _refuse_in_use(held, "deleted")
    held.delete()


def _columns(fields: PolicyFields) -> dict[str, object]:
    return {
        name: str(value) if isinstance(value, str) else value
        for name, value in asdict(fields).items()
    }


def _refuse_in_use(policy: Policy, verb: str) -> None:
    pairing = policy.pairings.select_related("primary_cloud", "recovery_cloud").first()
    if pairing is None:
        return
    clouds = f"{pairing.primary_cloud.name} and {pairing.recovery_cloud.name}"
    raise refuse(
        "PolicyInUse",
        f"The policy {policy.name} cannot be {verb}: it is associated with clouds.",
        causes=[f"{clouds} replicate by it."],
        action="Dissociate the policy from its clouds first, or create another policy.",
        status=409,
    )
