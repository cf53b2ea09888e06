"""Reading policies, pairings, items and points by the names that resource ids have.

Names are compared whatever their case, as ids are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, Prefetch, QuerySet, prefetch_related_objects

from coordinator.fabrics.models import VirtualMachine
from coordinator.failures import Failure
from coordinator.jobs.models import Job
from coordinator.jobs.queries import running_jobs_for
from coordinator.protection.discovery.facts import fabric_facts, facts_of
from coordinator.protection.from_vmm.services import refused_requests
from coordinator.protection.models import Pairing, Policy, ProtectedItem, RecoveryPoint
from coordinator.protection.rules import readiness_errors, readiness_warnings
from coordinator.protection.states import PairingState
from coordinator.protection.transitions import item_lock
from coordinator.vaults.services import VaultContent

_PARTS = ("policy", "primary_fabric", "recovery_fabric", "primary_cloud", "recovery_cloud")
# A cloud makes its id of its own fabric, which the pairing names too.
_CLOUD_FABRICS = ("primary_cloud__fabric", "recovery_cloud__fabric")
WHOLE_PAIRING = (*_PARTS, *_CLOUD_FABRICS)


@dataclass(frozen=True)
class CloudRole:
    """What a cloud is in its pair.

    Attributes:
        role: "Primary" or "Recovery".
        state: The pairing's; of several, for hosts of several generations, "Paired" if one is, else
            the oldest one's.
        protected_items: How many machines the pair protects.
    """

    role: str
    state: str
    protected_items: int


def policies_of(vault_id: UUID) -> QuerySet[Policy]:
    """Policies of a vault, by name."""
    return Policy.objects.filter(vault_id=vault_id).order_by("name")


def find_policy(vault_id: UUID, name: str) -> Policy | None:
    return policies_of(vault_id).filter(name__iexact=name).first()


def pairings_of(
    vault_id: UUID, fabric_name: str | None = None, cloud_external_id: str | None = None
) -> QuerySet[Pairing]:
    """Pairings with all they are made of, of a vault or of one primary cloud, by name."""
    pairings = Pairing.objects.filter(vault_id=vault_id)
    if fabric_name is not None:
        pairings = pairings.filter(primary_fabric__name__iexact=fabric_name)
    if cloud_external_id is not None:
        pairings = pairings.filter(primary_cloud__external_id__iexact=cloud_external_id)
    return pairings.select_related(*WHOLE_PAIRING).order_by("name")


def find_pairing(
    vault_id: UUID, fabric_name: str, cloud_external_id: str, name: str
) -> Pairing | None:
    return pairings_of(vault_id, fabric_name, cloud_external_id).filter(name__iexact=name).first()


def items_of(
    vault_id: UUID, fabric_name: str | None = None, cloud_external_id: str | None = None
) -> QuerySet[ProtectedItem]:
    """Protected items with their pairings, of a vault or of one primary cloud, by name.

    Many items are of few pairings: those are read once and shared.
    """
    pairings = Pairing.objects.select_related(*WHOLE_PAIRING)
    items = _items_of(vault_id, fabric_name, cloud_external_id)
    return items.prefetch_related(Prefetch("pairing", queryset=pairings))


def read_sides(items: Sequence[ProtectedItem]) -> None:
    """Reads what the sides of items said last, at once, for who only shows them."""
    prefetch_related_objects(items, Prefetch("sides", to_attr="known_sides"))


def find_item(
    vault_id: UUID, fabric_name: str, cloud_external_id: str, name: str
) -> ProtectedItem | None:
    """The item with its pairing."""
    items = _items_of(vault_id, fabric_name, cloud_external_id).filter(name__iexact=name)
    return items.select_related(*(f"pairing__{part}" for part in WHOLE_PAIRING)).first()


def _items_of(
    vault_id: UUID, fabric_name: str | None, cloud_external_id: str | None
) -> QuerySet[ProtectedItem]:
    items = ProtectedItem.objects.filter(vault_id=vault_id)
    if fabric_name is not None:
        items = items.filter(pairing__primary_fabric__name__iexact=fabric_name)
    if cloud_external_id is not None:
        items = items.filter(pairing__primary_cloud__external_id__iexact=cloud_external_id)
    return items.select_related("first_copy", "offline_copy").order_by("friendly_name", "id")


def items_of_machines(vault_id: UUID, vm_ids: Collection[str]) -> Mapping[str, ProtectedItem]:
    """The items that protect machines, by Hyper-V's id; unprotected machines have no entry."""
    return {item.vm_id: item for item in items_of(vault_id).filter(vm_id__in=list(vm_ids))}


def points_of(item: ProtectedItem) -> QuerySet[RecoveryPoint]:
    """Recovery points of an item, newest first."""
    return RecoveryPoint.objects.filter(item=item).order_by("-time", "-id")


def cloud_roles(vault_id: UUID) -> Mapping[int, CloudRole]:
    """What each paired cloud of a vault is, by the cloud's row id."""
    roles: dict[int, CloudRole] = {}
    pairings = Pairing.objects.filter(vault_id=vault_id).annotate(count=Count("items"))
    for pairing in pairings.order_by("created_at", "id"):
        for cloud_id, role in (
            (pairing.primary_cloud_id, "Primary"),
            (pairing.recovery_cloud_id, "Recovery"),
        ):
            known = roles.get(cloud_id, CloudRole(role, pairing.state, 0))
            paired = PairingState.PAIRED in {known.state, pairing.state}
            state = PairingState.PAIRED if paired else known.state
            roles[cloud_id] = CloudRole(role, state, known.protected_items + pairing.count)
    return roles


def protected_item_counts(vault_id: UUID) -> Mapping[UUID, int]:
    """How many machines each server of a vault protects, by the fabric's id."""
    counted = (
        ProtectedItem.objects.filter(vault_id=vault_id)
        .values_list("pairing__primary_fabric_id")
        .annotate(count=Count("id"))
    )
    return dict(counted)


@dataclass(frozen=True)
class Readiness:
    """Whether a machine can be protected.

    Attributes:
        errors: Why it cannot; empty when it can.
        warnings: What will not work although it can.
    """

    errors: tuple[Failure, ...]
    warnings: tuple[Failure, ...]


def readiness_of(fabric_id: UUID, machines: Collection[VirtualMachine]) -> Mapping[int, Readiness]:
    """Of machines of one server, by their row's id. Source: SPEC DI-3."""
    around = fabric_facts(fabric_id, judge_pairing=True)
    refused = refused_requests(machines)
    found: dict[int, Readiness] = {}
    for machine in machines:
        facts = facts_of(machine, around)
        errors = readiness_errors(facts)
        if machine.id in refused and refused[machine.id].code not in {e.code for e in errors}:
            errors = (*errors, refused[machine.id])
        found[machine.id] = Readiness(errors, readiness_warnings(facts))
    return found


def vault_contents(vault_id: UUID) -> list[VaultContent]:
    """Protected items, which keep a vault from being deleted (SPEC VA-5)."""
    names = ProtectedItem.objects.filter(vault_id=vault_id).order_by("friendly_name")
    return [
        VaultContent("protected item", name)
        for name in names.values_list("friendly_name", flat=True)
    ]


def running_jobs(item_ids: Collection[UUID]) -> Mapping[UUID, Job]:
    """The jobs that work on items, by the item's id; idle items have no entry."""
    keys = {item_lock(item_id): item_id for item_id in item_ids}
    return {keys[key]: job for key, job in running_jobs_for(keys).items()}
