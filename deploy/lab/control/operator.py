"""An operator of the lab: what a person does through the API, with Microsoft's SDK."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from azure.core.exceptions import (
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.core.rest import HttpRequest, HttpResponse
from azure.identity import ClientSecretCredential
from azure.mgmt.recoveryservices import RecoveryServicesClient
from azure.mgmt.recoveryservices.models import Sku, Vault
from azure.mgmt.recoveryservicessiterecovery import SiteRecoveryManagementClient, models

from coordinator.config.waiting import wait_for
from deploy.lab.control.connection import Connection

LOCATION = "onpremises"
# How long an operation is repeated while the API is away.
REPEAT_SECONDS = 60
ENDED = {"Succeeded", "Failed", "Cancelled"}


class JobFailedError(RuntimeError):
    """A job did not succeed; the text holds its errors."""


@dataclass(frozen=True)
class Cloud:
    """A protection container with the fabric it belongs to."""

    id: str
    name: str
    fabric_name: str
    friendly_name: str


class Operator:
    """Works in one vault.

    Every call goes on through a short absence of the API: the SDK repeats what was refused a
    connection, and a repeated request finds the operation its first try began.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        credential = ClientSecretCredential(
            connection.tenant_id,
            connection.client_id,
            connection.client_secret,
            authority=connection.authority,
            connection_verify=connection.ca_file,
            disable_instance_discovery=True,
            retry_total=40,
            retry_backoff_max=2,
        )
        settings: dict[str, Any] = {
            "base_url": connection.endpoint,
            "credential_scopes": [f"{connection.endpoint}/.default"],
            "connection_verify": connection.ca_file,
            "retry_total": 40,
            "retry_connect": 40,
            "retry_read": 40,
            "retry_status": 40,
            "retry_backoff_max": 2,
            "polling_interval": 1,
        }
        self.recovery = SiteRecoveryManagementClient(
            credential, connection.subscription_id, **settings
        )
        self._vaults = RecoveryServicesClient(credential, connection.subscription_id, **settings)
        self._where = (connection.resource_group, connection.vault)

    # Vault and servers

    def make_vault(self) -> None:
        """Makes the connection's vault. Idempotent."""
        vault = Vault(location=LOCATION, sku=Sku(name="Standard"))
        self._vaults.vaults.begin_create_or_update(*self._where, vault).result()

    def registration_key(self) -> str:
        """A new registration key file's text."""
        response = self._post("/registrationKeys", {"properties": {}})
        return str(response.json()["properties"]["keyFile"])

    def fabrics(self) -> dict[str, models.Fabric]:
        """Registered servers by friendly name."""
        found = self.recovery.replication_fabrics.list(*self._where)
        return {str(_properties(f).friendly_name): f for f in found}

    def server_state(self, friendly_name: str) -> str | None:
        """Connection status of the server's provider; None while it is not registered."""
        fabric = self.fabrics().get(friendly_name)
        if fabric is None:
            return None
        providers = self.recovery.replication_recovery_services_providers
        found = providers.list_by_replication_fabrics(*self._where, str(fabric.name))
        return next((str(_properties(p).connection_status) for p in found), None)

    def clouds(self) -> dict[str, Cloud]:
        """Discovered clouds by friendly name."""
        containers = self.recovery.replication_protection_containers
        found = {}
        for fabric in self.fabrics().values():
            for row in containers.list_by_replication_fabrics(*self._where, str(fabric.name)):
                name = str(_properties(row).friendly_name)
                found[name] = Cloud(str(row.id), str(row.name), str(fabric.name), name)
        return found

    def machines(self, cloud: Cloud) -> dict[str, models.ProtectableItem]:
        """Discovered machines of a cloud by friendly name."""
        items = self.recovery.replication_protectable_items
        found = items.list_by_replication_protection_containers(
            *self._where, cloud.fabric_name, cloud.name
        )
        return {str(_properties(row).friendly_name): row for row in found}

    # Protection

    def make_policy(
        self, name: str, *, frequency_seconds: int, port: int, host_version: str = "2012R2"
    ) -> str:
        """Makes a certificate policy and gives its id; hosts of 2012 replicate every 300 s only."""
        blue = partial(
            models.HyperVReplicaBluePolicyInput, replication_frequency_in_seconds=frequency_seconds
        )
        kind: Callable[..., models.PolicyProviderSpecificInput] = (
            models.HyperVReplicaPolicyInput if host_version == "2012" else blue
        )
        specific = kind(
            recovery_points=2,
            application_consistent_snapshot_frequency_in_hours=0,
            compression="Enable",
            initial_replication_method="OverNetwork",
            replication_port=port,
            allowed_authentication_type=2,
            replica_deletion="Required",
        )
        body = models.CreatePolicyInput(
            properties=models.CreatePolicyInputProperties(provider_specific_input=specific)
        )
        policies = self.recovery.replication_policies
        policy = policies.begin_create(*self._where, name, body).result()
        return str(policy.id)

    def pair(self, name: str, source: Cloud, target: Cloud, policy_id: str) -> str:
        """Begins pairing two clouds; gives the job's name."""
        body = models.CreateProtectionContainerMappingInput(
            properties=models.CreateProtectionContainerMappingInputProperties(
                target_protection_container_id=target.id,
                policy_id=policy_id,
                provider_specific_input=models.ReplicationProviderSpecificContainerMappingInput(
                    instance_type="HyperVReplica2012R2"
                ),
            )
        )
        mappings = self.recovery.replication_protection_container_mappings
        return self._begin(mappings.begin_create, source.fabric_name, source.name, name, body)

    def unpair(self, name: str, source: Cloud) -> str:
        """Begins dissociating two clouds; gives the job's name."""
        body = models.RemoveProtectionContainerMappingInput(
            properties=models.RemoveProtectionContainerMappingInputProperties()
        )
        mappings = self.recovery.replication_protection_container_mappings
        return self._begin(mappings.begin_delete, source.fabric_name, source.name, name, body)

    def protect(self, item: str, cloud: Cloud, machine_id: str, policy_id: str) -> str:
        """Begins replicating a machine; gives the job's name."""
        body = models.EnableProtectionInput(
            properties=models.EnableProtectionInputProperties(
                policy_id=policy_id, protectable_item_id=machine_id
            )
        )
        items = self.recovery.replication_protected_items
        return self._begin(items.begin_create, cloud.fabric_name, cloud.name, item, body)

    def disable(self, cloud: Cloud, item: str) -> str:
        """Begins disabling a machine's protection; gives the job's name."""
        body = models.DisableProtectionInput(properties=models.DisableProtectionInputProperties())
        begin = self.recovery.replication_protected_items.begin_delete
        return self._begin(begin, cloud.fabric_name, cloud.name, item, body)

    def item(self, cloud: Cloud, item: str) -> models.ReplicationProtectedItemProperties | None:
        """A protected item's properties; None before it is made."""
        items = self.recovery.replication_protected_items
        try:
            found = items.get(*self._where, cloud.fabric_name, cloud.name, item)
        except ResourceNotFoundError:
            return None
        properties: models.ReplicationProtectedItemProperties = _properties(found)
        return properties

    # Failover

    def planned_failover(self, cloud: Cloud, item: str, direction: str) -> str:
        """Begins a planned failover; gives the job's name."""
        body = models.PlannedFailoverInput(
            properties=models.PlannedFailoverInputProperties(failover_direction=direction)
        )
        begin = self.recovery.replication_protected_items.begin_planned_failover
        return self._begin(begin, cloud.fabric_name, cloud.name, item, body)

    def unplanned_failover(
        self,
        cloud: Cloud,
        item: str,
        direction: str,
        *,
        with_source: bool = False,
        tag: str = "Latest",
    ) -> str:
        """Begins a failover that does not count on the source; gives the job's name."""
        properties: dict[str, object] = {
            "failoverDirection": direction,
            "sourceSiteOperations": "Required" if with_source else "NotRequired",
            "providerSpecificDetails": {"instanceType": "HyperVReplica2012R2", "recoveryTag": tag},
        }
        begin = self.recovery.replication_protected_items.begin_unplanned_failover
        body = {"properties": properties}
        return self._begin(begin, cloud.fabric_name, cloud.name, item, body)

    def change_point(self, cloud: Cloud, item: str, tag: str) -> str:
        """Begins taking a failed-over machine to another recovery point; gives the job's name."""
        details = {"instanceType": "HyperVReplica2012R2", "recoveryTag": tag}
        body = {"properties": {"providerSpecificDetails": details}}
        begin = self.recovery.replication_protected_items.begin_apply_recovery_point
        return self._begin(begin, cloud.fabric_name, cloud.name, item, body)

    def cancel_failover(self, cloud: Cloud, item: str) -> str:
        """Begins taking a failover back; gives the job's name."""
        begin = self.recovery.replication_protected_items.begin_failover_cancel
        return self._begin(begin, cloud.fabric_name, cloud.name, item)

    def abandon_failover(self, cloud: Cloud, item: str) -> str:
        """Begins bringing a machine back without its failed-over copy; gives the job's name."""
        response = self._post(
            f"/replicationFabrics/{cloud.fabric_name}/replicationProtectionContainers/{cloud.name}"
            f"/replicationProtectedItems/{item}/abandonFailover"
        )
        return _job_of(response.headers["Location"])

    def commit(self, cloud: Cloud, item: str) -> str:
        """Begins committing a failover; gives the job's name."""
        begin = self.recovery.replication_protected_items.begin_failover_commit
        return self._begin(begin, cloud.fabric_name, cloud.name, item)

    def reverse(self, cloud: Cloud, item: str, direction: str) -> str:
        """Begins replicating the other way; gives the job's name."""
        body = models.ReverseReplicationInput(
            properties=models.ReverseReplicationInputProperties(failover_direction=direction)
        )
        begin = self.recovery.replication_protected_items.begin_reprotect
        return self._begin(begin, cloud.fabric_name, cloud.name, item, body)

    # Jobs

    def open_events(self) -> list[models.Event]:
        """What is wrong now, newest first."""
        return list(self.recovery.replication_events.list(*self._where, filter="isOpen eq 'true'"))

    def job(self, name: str) -> models.JobProperties:
        properties: models.JobProperties = _properties(
            self.recovery.replication_jobs.get(*self._where, name)
        )
        return properties

    def cancel_job(self, name: str) -> None:
        """Asks for a job to end early.

        Raises:
            HttpResponseError: The job does not allow it.
        """
        self._post(f"/replicationJobs/{name}/cancel")

    def jobs(self) -> Iterable[models.Job]:
        return self.recovery.replication_jobs.list(*self._where)

    def wait_for_job(
        self,
        name: str,
        limit_seconds: float,
        seen: Callable[[models.JobProperties], None] = lambda _: None,
    ) -> models.JobProperties:
        """Follows a job to its end.

        Args:
            name: The job's name.
            limit_seconds: When to give up.
            seen: Called with each state of it, for a screen.

        Raises:
            JobFailedError: It ended other than well.
        """

        def ended() -> models.JobProperties | None:
            job = self.job(name)
            seen(job)
            return job if job.state in ENDED else None

        job = wait_for(f"job {name}", ended, limit_seconds)
        if job.state != "Succeeded":
            raise _ended_otherwise(job)
        return job

    def wait_for_task(self, name: str, task: str, limit_seconds: float) -> None:
        """Follows a job until it is at a task.

        Args:
            name: The job's name.
            task: The task's.
            limit_seconds: When to give up.

        Raises:
            JobFailedError: It ended before.
        """

        def begun() -> bool:
            job = self.job(name)
            if job.state in ENDED:
                raise _ended_otherwise(job)
            tasks = job.tasks or []
            return any(each.name == task and each.state == "InProgress" for each in tasks)

        wait_for(f"job {name} to be at {task}", begun, limit_seconds)

    def _post(self, path: str, body: object = None) -> HttpResponse:
        """A call below the vault that the SDK has no method for."""
        group, vault = self._where
        request = HttpRequest(
            "POST",
            f"/subscriptions/{self.connection.subscription_id}/resourceGroups/{group}"
            f"/providers/Microsoft.RecoveryServices/vaults/{vault}{path}",
            params={"api-version": "2025-08-01"},
            json=body,
        )
        response = self.recovery.send_request(request)
        response.raise_for_status()
        return response

    def _begin(self, begin: Callable[..., Any], *arguments: Any) -> str:
        """Starts a long-running operation and gives the name of its job.

        A repeated request finds its job by the id of the first, which we choose here so that it
        outlives even the death of the API in the middle of an answer.
        """
        request_id = str(uuid.uuid4())
        locations: list[str] = []

        def remember(response: Any) -> None:
            locations.append(str(response.http_response.headers.get("Location", "")))

        def begun() -> str | None:
            try:
                begin(
                    *self._where,
                    *arguments,
                    polling=False,
                    raw_response_hook=remember,
                    headers={"x-ms-client-request-id": request_id},
                )
            except (ServiceRequestError, ServiceResponseError):
                # The SDK does not repeat a POST whose answer was lost; with the id we may.
                return None
            return _job_of(locations[-1])

        return wait_for("the API to take the operation", begun, REPEAT_SECONDS)


def _ended_otherwise(job: models.JobProperties) -> JobFailedError:
    texts = [error_text(error) for error in job.errors or []]
    return JobFailedError(f"{job.friendly_name} {job.state}: {'; '.join(texts)}")


def _job_of(location: str) -> str:
    """Name of the job that an answer's Location leads to."""
    return location.partition("/operationresults/")[2].partition("?")[0]


def _properties(resource: Any) -> Any:
    if resource.properties is None:
        raise ValueError(f"{resource.id} came without properties")
    return resource.properties


def error_text(error: models.JobErrorDetails) -> str:
    service = error.service_error_details
    if service is None:
        return "no details"
    return f"{service.code}: {service.message} {service.recommended_action or ''}".strip()


def write_key(text: str, file: Path) -> None:
    """Writes a registration key file for its owner only."""
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")
