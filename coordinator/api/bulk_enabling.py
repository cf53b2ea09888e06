"""Routes of enabling protection of many machines in one request; ASR has no call for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from django.db import transaction
from django.http import HttpRequest
from ninja import Path, Router

from coordinator.api.addresses import ContainerPath
from coordinator.api.bodies import RequestPart
from coordinator.api.calls import Answer, Call, client_request_id, open_vault, served_in_parts
from coordinator.api.containers import require_cloud
from coordinator.api.errors import NotFoundError, error_body
from coordinator.api.paths import CONTAINER, JOB, POLICY, PROTECTABLE_ITEM, PROTECTED_ITEM
from coordinator.api.policies import require_policy
from coordinator.api.references import names_in_reference
from coordinator.api.responses import shows
from coordinator.api.shapes.bulk_enabling import AcceptedMachine, BulkAnswer, RefusedMachine
from coordinator.api.shapes.envelope import ArmId
from coordinator.fabrics import queries as fabrics
from coordinator.fabrics.models import Cloud, VirtualMachine
from coordinator.failures import RefusedError, refuse
from coordinator.protection.models import Policy
from coordinator.protection.services import (
    MOST_AT_ONCE,
    Enabled,
    ProtectionRequest,
    enable_machines,
)

router = Router()

# So many machines are one transaction: what a request holds while it is long, others wait for.
MACHINES_IN_A_TRANSACTION = 20
BELOW_VAULT = ("fabric_name", "container_name", "protectable_item_name")


class MachineInput(RequestPart):
    """A machine to protect; its item is called after the machine unless it has a name here."""

    protectableItemId: ArmId  # noqa: N815 - the API's name
    name: str | None = None


class BulkInputProperties(RequestPart):
    """Machines of the cloud of the address; a policy that is named must fit each one's host."""

    machines: list[MachineInput]
    policyId: ArmId | None = None  # noqa: N815 - the API's name


class BulkInput(RequestPart):
    """Machines to protect."""

    properties: BulkInputProperties


@router.post(f"{CONTAINER}/enableProtection", response=shows(BulkAnswer))
@served_in_parts
def enable_protection_of_many(
    request: HttpRequest, path: Path[ContainerPath], body: BulkInput
) -> Answer:
    """Begins a job for each machine that can be protected, and says of the others why not."""
    call = open_vault(request, path)
    wanted = body.properties.machines
    _refuse_count(len(wanted))
    cloud = require_cloud(call, path.fabric_name, path.container_name)
    policy = _policy(call, body.properties.policyId)
    # Machines of one request are one request in the line of first copies, also when repeated.
    batch = f"{call.vault.id} {client_request_id(request) or uuid4()}"
    bulk = _Bulk(call, cloud, policy, batch, _machines(cloud))
    answers: list[AcceptedMachine | RefusedMachine] = []
    for start in range(0, len(wanted), MACHINES_IN_A_TRANSACTION):
        with transaction.atomic():
            answers += bulk.enable(wanted[start : start + MACHINES_IN_A_TRANSACTION])
    return {"value": answers}


def _refuse_count(count: int) -> None:
    if 1 <= count <= MOST_AT_ONCE:
        return
    raise refuse(
        "InvalidNumberOfMachines",
        f"The request names {count} machines.",
        causes=[f"A request enables protection of 1 to {MOST_AT_ONCE} machines."],
        action=f"Send several requests of at most {MOST_AT_ONCE} machines each.",
        field="properties.machines",
    )


def _policy(call: Call, policy_id: str | None) -> Policy | None:
    if not policy_id:
        return None
    names = names_in_reference(call, POLICY, policy_id, "properties.policyId")
    return require_policy(call, names["policy_name"])


def _machines(cloud: Cloud) -> Mapping[str, VirtualMachine]:
    """The cloud's machines by VMM's id in lower case: one query for all that are asked for."""
    machines = fabrics.machines_of_cloud(cloud)
    for machine in machines:
        machine.fabric = cloud.fabric
    return {machine.external_id.lower(): machine for machine in machines}


@dataclass
class _Bulk:
    """One request while it is carried out.

    Attributes:
        seen: Machines it has named so far.
    """

    call: Call
    cloud: Cloud
    policy: Policy | None
    batch: str
    machines: Mapping[str, VirtualMachine]
    seen: set[str] = field(default_factory=set)

    def enable(self, wanted: Sequence[MachineInput]) -> list[AcceptedMachine | RefusedMachine]:
        """Answers for each machine, in order."""
        read = [self._read(one) for one in wanted]
        requests = [one for one in read if not isinstance(one, RefusedError)]
        outcomes = iter(
            enable_machines(
                [(one, self.call.origin(self._item_id(one.name))) for one in requests],
                self.call.now,
            )
        )
        return [
            self._answer(asked, one if isinstance(one, RefusedError) else next(outcomes))
            for asked, one in zip(wanted, read, strict=True)
        ]

    def _read(self, wanted: MachineInput) -> ProtectionRequest | RefusedError:
        try:
            machine = self._machine(wanted.protectableItemId)
        except RefusedError as error:
            return error
        return ProtectionRequest(
            name=wanted.name or machine.external_id,
            machine=machine,
            policy=self.policy,
            batch=self.batch,
        )

    def _machine(self, reference: str) -> VirtualMachine:
        names = names_in_reference(self.call, PROTECTABLE_ITEM, reference, "protectableItemId")
        own = (self.cloud.fabric.name.lower(), self.cloud.external_id.lower())
        if own != (names["fabric_name"].lower(), names["container_name"].lower()):
            raise refuse(
                "InvalidResourceReference",
                "protectableItemId is not a machine of the cloud of the request.",
                causes=["The id in the body and the address name different clouds or servers."],
                action="Send a request for each cloud.",
                field="protectableItemId",
            )
        key = names["protectable_item_name"].lower()
        if key not in self.machines:
            raise NotFoundError(self.call.ids.child(PROTECTABLE_ITEM, **_below_vault(names)))
        if key in self.seen:
            raise refuse(
                "DuplicateMachine",
                f"The request names {self.machines[key].name} twice.",
                causes=["A machine can be protected once."],
                action="Name each machine once.",
                field="protectableItemId",
            )
        self.seen.add(key)
        return self.machines[key]

    def _item_id(self, name: str) -> str:
        return self.call.ids.child(
            PROTECTED_ITEM,
            fabric_name=self.cloud.fabric.name,
            container_name=self.cloud.external_id,
            item_name=name,
        )

    def _answer(
        self, wanted: MachineInput, outcome: Enabled | RefusedError
    ) -> AcceptedMachine | RefusedMachine:
        asked = wanted.protectableItemId
        if isinstance(outcome, RefusedError):
            error = error_body(self.call.request, outcome.status, outcome.failure, outcome.field)
            return {"protectableItemId": asked, "status": "Refused", "error": error}
        return {
            "protectableItemId": asked,
            "status": "Accepted",
            "protectedItemId": self._item_id(outcome.item.name),
            "jobId": self.call.ids.child(JOB, job_name=str(outcome.job.id)),
        }


def _below_vault(names: Mapping[str, str]) -> dict[str, str]:
    """The part of an id's names that its pattern wants beyond the vault's."""
    return {key: names[key] for key in BELOW_VAULT}
