"""Protected machines as rows, and plans made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from django.db import transaction

from coordinator.jobs.engine import advance
from coordinator.jobs.models import Job
from coordinator.jobs.registry import Registry
from coordinator.protection.models import Pairing, ProtectedItem
from coordinator.protection.services import RequestOrigin
from coordinator.protection.states import ProtectionState
from coordinator.recovery import steps
from coordinator.recovery.models import RecoveryPlan
from coordinator.recovery.plans.drafts import ActionDraft, GroupDraft
from coordinator.recovery.plans.services import PlanRequest, create_plan, update_plan
from coordinator.vaults.models import Vault
from tests.integration.api.sites import Sites, make_sites, pair

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORIGIN = RequestOrigin(started_by="tests")


@dataclass
class PlanStage:
    """Two sites, one pair of clouds; time passes with each thing done."""

    sites: Sites
    pairing: Pairing
    now: datetime = NOW

    def tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def protect(self, *names: str) -> list[ProtectedItem]:
        """Machines that replicate, in one go: there may be thousands."""
        return ProtectedItem.objects.bulk_create(
            ProtectedItem(
                vault=self.sites.vault,
                pairing=self.pairing,
                name=f"item-{name}",
                friendly_name=name,
                vm_id=str(uuid4()),
                protectable_item_id=name,
                state=ProtectionState.PROTECTED,
                primary_host="hv1.shanghai.example",
                recovery_host="hv1.beijing.example",
                created_at=self.now,
            )
            for name in names
        )

    def create(
        self,
        name: str,
        groups: Sequence[Sequence[ProtectedItem]],
        origin: RequestOrigin = ORIGIN,
    ) -> RecoveryPlan:
        """A plan whose job has ended."""
        request = PlanRequest(
            vault=self.sites.vault,
            name=name,
            primary_fabric=self.sites.shanghai,
            recovery_fabric=self.sites.beijing,
            groups=drafts(groups),
        )
        with transaction.atomic():
            plan, job = create_plan(request, origin, self.tick())
        self.end(job)
        return RecoveryPlan.objects.get(id=plan.id)

    def update(
        self,
        plan: RecoveryPlan,
        groups: Sequence[Sequence[ProtectedItem]],
        origin: RequestOrigin = ORIGIN,
    ) -> Job:
        """Other groups; the job has ended."""
        with transaction.atomic():
            job = update_plan(plan, drafts(groups), origin, self.tick())
        return self.end(job)

    def end(self, job: Job) -> Job:
        """What a worker does with the job."""
        registry = Registry(records=steps.RECORDS, finishers=steps.FINISHERS)
        for _ in range(5):
            advance(job.id, registry, self.tick)
        job.refresh_from_db()
        return job


def make_stage() -> PlanStage:
    vault = Vault.objects.create(
        subscription_id=uuid4(), resource_group="rg", name="V", location="here", created_at=NOW
    )
    sites = make_sites(vault, NOW)
    return PlanStage(sites, pair(sites, NOW))


def drafts(
    groups: Sequence[Sequence[ProtectedItem]], start: Sequence[ActionDraft] = ()
) -> list[GroupDraft]:
    """Boot groups; the actions are before the first."""
    return [
        GroupDraft(
            type="Boot",
            item_ids=tuple(str(item.id) for item in items),
            start_actions=tuple(start) if number == 0 else (),
        )
        for number, items in enumerate(groups)
    ]
