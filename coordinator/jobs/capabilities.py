"""Whether the providers of a graph can carry out what it asks of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from coordinator.fabrics.models import Provider
from coordinator.failures import refuse
from coordinator.jobs.steps import FailureRule, StepKind, StepSpec


def refuse_unless_capable(steps: Sequence[StepSpec]) -> None:
    """Refuses steps with a command that its provider has said it cannot carry out.

    Steps whose failure only warns are not looked at, nor is a provider that has never had a
    session: what it can do is not known.

    Raises:
        RefusedError: ProviderTooOld, status 409. Trying again helps once the provider is updated.
    """
    needed = _needed(steps)
    providers = Provider.objects.select_related("fabric").in_bulk(needed.keys())
    for provider_id, verbs in needed.items():
        provider = providers.get(provider_id)
        if provider is None or not provider.capabilities:
            continue
        missing = sorted(verbs - set(provider.capabilities))
        if missing:
            raise refuse(
                "ProviderTooOld",
                f"The provider of {provider.fabric.friendly_name} (version "
                f"{provider.agent_version or 'unknown'}) cannot carry out {', '.join(missing)}.",
                causes=["The provider is of an older version than the coordinator needs for this."],
                action="Update the provider on the VMM server, then try again.",
                status=409,
            )


def _needed(steps: Sequence[StepSpec]) -> Mapping[UUID, set[str]]:
    needed: dict[UUID, set[str]] = {}
    for step in steps:
        if step.kind is StepKind.COMMAND and step.on_failure is FailureRule.STOP:
            needed.setdefault(UUID(step.provider or ""), set()).add(step.action)
    return needed
