"""Doing to a vault what a difference says, one thing after the other, each to its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from azure.core.exceptions import AzureError

from coordinator.cli.apply.differences import Difference
from coordinator.cli.apply.kinds import Kind, text_at
from coordinator.cli.apply.plan_words import groups_for_api
from coordinator.cli.apply.resources import Resource
from coordinator.cli.apply.vault_reading import AUTHENTICATIONS, HOST_VERSIONS, VaultState
from coordinator.cli.failures import CommandError
from coordinator.cli.names import container_of, segment_after
from coordinator.cli.operations import begin, follow
from coordinator.cli.outputs import OutputFormat
from coordinator.cli.sdk_failures import error_of_sdk
from coordinator.cli.session import Session

AGAIN = "Then run osr apply again: it goes on where it stopped, and what is done stays."
INSTANCE_TYPES = {version: word for word, version in HOST_VERSIONS.items()}
AUTHENTICATION_NUMBERS = {word: number for number, word in AUTHENTICATIONS.items()}


@dataclass(frozen=True)
class Converging:
    """One run.

    Attributes:
        session: The command's.
        state: What the vault had at the beginning.
        limit_seconds: The longest to wait for each job.
    """

    session: Session
    state: VaultState
    limit_seconds: float

    def run(self, found: Difference) -> None:
        """Does everything; stops at the first failure.

        Raises:
            CommandError: Something failed; what was done before stays done.
        """
        steps: list[tuple[str, Resource, Callable[[], str]]] = [
            *(("remove", one, lambda one=one: self._remove(one)) for one in found.removed),
            *(("add", one, lambda one=one: self._put(one, None)) for one in found.added),
            *(
                ("change", each.new, lambda each=each: self._put(each.new, each.old))
                for each in found.changed
            ),
        ]
        # Added and changed things need each other in the order of their kinds.
        order = {kind: index for index, kind in enumerate(Kind)}
        first = len(found.removed)
        steps[first:] = sorted(steps[first:], key=lambda step: order[step[1].kind])
        for number, (word, resource, work) in enumerate(steps, start=1):
            self._step(f"[{number}/{len(steps)}] {word} {resource.title}", resource, work)

    def _step(self, title: str, resource: Resource, work: Callable[[], str]) -> None:
        # The answer is the difference; how it goes is told beside it.
        beside = replace(self.session, format=OutputFormat.TABLE, output=self.session.notes)
        beside.tell(title)
        try:
            job_name = work()
            if job_name:
                follow(beside, job_name, wait=True, limit_seconds=self.limit_seconds)
        except AzureError as error:
            told = error_of_sdk(error, self.session.clients.connection)
            raise _stopped(told, resource) from error
        except CommandError as error:
            raise _stopped(error, resource) from error

    def _put(self, wanted: Resource, known: Resource | None) -> str:
        puts: Mapping[Kind, Callable[[Resource, Resource | None], str]] = {
            Kind.POLICY: self._put_policy,
            Kind.PAIRING: self._put_pairing,
            Kind.NETWORK_MAPPING: self._put_network_mapping,
            Kind.STORAGE_MAPPING: self._put_storage_mapping,
            Kind.BANDWIDTH_LIMIT: self._put_limit,
            Kind.RECOVERY_PLAN: self._put_plan,
            Kind.ALERT_SETTINGS: self._put_alert_settings,
        }
        return puts[wanted.kind](wanted, known)

    def _put_policy(self, wanted: Resource, known: Resource | None) -> str:
        name = wanted.name if known is None else known.name
        body = {"properties": {"providerSpecificInput": policy_input(wanted.spec)}}
        return self._begin("replication_policies", "begin_create", name, body)

    def _put_pairing(self, wanted: Resource, known: Resource | None) -> str:
        name = wanted.name if known is None else known.name
        target = self._place_id("cloud", wanted, "target")
        policy = str(wanted.spec["policy"])
        properties = {
            "targetProtectionContainerId": target,
            "policyId": f"{self.session.clients.vault_id}/replicationPolicies/{policy}",
        }
        source = container_of(self._place_id("cloud", wanted, "source"))
        body = {"properties": properties}
        noun = "replication_protection_container_mappings"
        return self._begin(noun, "begin_create", *source, name, body)

    def _put_network_mapping(self, wanted: Resource, known: Resource | None) -> str:
        name = wanted.name if known is None else known.name
        source = self._place_id("network", wanted, "source")
        body = {
            "properties": {
                "recoveryNetworkId": self._place_id("network", wanted, "target"),
                "fabricSpecificDetails": {"instanceType": "VmmToVmm"},
            }
        }
        return self._begin(
            "replication_network_mappings", "begin_create", *_network(source), name, body
        )

    def _put_storage_mapping(self, wanted: Resource, known: Resource | None) -> str:
        if known is not None:
            # The API makes and deletes such mappings, at once; replicas stay where they are.
            self._remove(known)
        name = wanted.name if known is None else known.name
        source = self._place_id("classification", wanted, "source")
        target = self._place_id("classification", wanted, "target")
        body = {"properties": {"targetStorageClassificationId": target}}
        noun = "replication_storage_classification_mappings"
        self._begin(noun, "begin_create", *_classification(source), name, body)
        return ""

    def _put_limit(self, wanted: Resource, known: Resource | None) -> str:
        del known
        windows = wanted.spec["windows"]
        properties = {
            "bitsPerSecond": wanted.spec["limit"],
            "timeZone": wanted.spec["timeZone"],
            "windows": [
                {**_without(window, "limit"), "bitsPerSecond": window["limit"]}
                for window in (windows if isinstance(windows, Sequence) else ())
                if isinstance(window, Mapping)
            ],
        }
        server = self.state.catalog.id_of("server", wanted.name)
        path = f"{_below_vault(server)}/replicationBandwidthLimits/replication"
        return self.session.clients.start("PUT", path, {"properties": properties})

    def _put_plan(self, wanted: Resource, known: Resource | None) -> str:
        catalog = self.state.catalog
        groups = groups_for_api(wanted.spec, lambda name: catalog.id_of("machine", name))
        if known is not None:
            etag = self.state.present[known.key].etag
            changed = {"properties": {"groups": groups}}
            plans = self.session.clients.site_recovery.replication_recovery_plans
            scope = self.session.clients.scope
            headers = {"If-Match": etag}
            return begin(plans.begin_update, *scope, known.name, changed, headers=headers)
        properties = {
            "primaryFabricId": catalog.id_of("server", text_at(wanted.spec, "primaryServer")),
            "recoveryFabricId": catalog.id_of("server", text_at(wanted.spec, "recoveryServer")),
            "groups": groups,
        }
        body = {"properties": properties}
        return self._begin("replication_recovery_plans", "begin_create", wanted.name, body)

    def _put_alert_settings(self, wanted: Resource, known: Resource | None) -> str:
        name = wanted.name if known is None else known.name
        properties = {
            "sendToOwners": "Send" if wanted.spec["sendToOwners"] else "DoNotSend",
            "customEmailAddresses": wanted.spec["addresses"],
            "locale": wanted.spec["locale"],
        }
        clients = self.session.clients
        settings: Any = clients.site_recovery.replication_alert_settings
        settings.create(*clients.scope, name, {"properties": properties})
        return ""

    def _remove(self, known: Resource) -> str:
        present = self.state.present[known.key]
        job_name = ""
        match known.kind:
            case Kind.POLICY:
                job_name = self._begin("replication_policies", "begin_delete", present.name)
            case Kind.PAIRING:
                noun = "replication_protection_container_mappings"
                where = (*container_of(present.id), present.name)
                job_name = self._begin(noun, "begin_delete", *where, {"properties": {}})
            case Kind.NETWORK_MAPPING:
                where = (*_network(present.id), present.name)
                job_name = self._begin("replication_network_mappings", "begin_delete", *where)
            case Kind.STORAGE_MAPPING:
                where = (*_classification(present.id), present.name)
                self._begin("replication_storage_classification_mappings", "begin_delete", *where)
            case Kind.BANDWIDTH_LIMIT:
                job_name = self.session.clients.start("DELETE", _below_vault(present.id))
            case Kind.RECOVERY_PLAN:
                job_name = self._begin("replication_recovery_plans", "begin_delete", present.name)
            case Kind.ALERT_SETTINGS:
                pass
        return job_name

    def _begin(self, noun: str, verb: str, *arguments: object) -> str:
        clients = self.session.clients
        operation = getattr(getattr(clients.site_recovery, noun), verb)
        return begin(operation, *clients.scope, *arguments)

    def _place_id(self, kind: str, resource: Resource, side: str) -> str:
        server = text_at(resource.spec, side, "server")
        return self.state.catalog.id_of(kind, text_at(resource.spec, side, kind), server)


def policy_input(spec: Mapping[str, Any]) -> dict[str, Any]:
    """ASR's providerSpecificInput, every field of it."""
    fields = {
        "instanceType": INSTANCE_TYPES[spec["hostVersion"]],
        "replicationFrequencyInSeconds": spec["replicationFrequencySeconds"],
        "recoveryPoints": spec["recoveryPoints"],
        "applicationConsistentSnapshotFrequencyInHours": spec["applicationConsistentHours"],
        "allowedAuthenticationType": AUTHENTICATION_NUMBERS[spec["authentication"]],
        "replicationPort": spec["port"],
        "compression": "Enable" if spec["compression"] else "Disable",
        "replicaDeletion": "Required" if spec["deleteReplica"] else "NotRequired",
        "initialReplicationMethod": "Offline" if spec["firstCopy"] == "offline" else "OverNetwork",
        "onlineReplicationStartTime": spec["startTime"] or None,
        "offlineReplicationExportPath": spec["exportPath"] or None,
        "offlineReplicationImportPath": spec["importPath"] or None,
    }
    if spec["hostVersion"] == "2012":
        fields.pop("replicationFrequencyInSeconds")
    return {name: value for name, value in fields.items() if value is not None}


def _network(resource_id: str) -> tuple[str, str]:
    return (
        segment_after("replicationFabrics", resource_id),
        segment_after("replicationNetworks", resource_id),
    )


def _classification(resource_id: str) -> tuple[str, str]:
    return (
        segment_after("replicationFabrics", resource_id),
        segment_after("replicationStorageClassifications", resource_id),
    )


def _below_vault(resource_id: str) -> str:
    """What follows the vault in an id, for calls that Microsoft's client does not have."""
    return quote("/" + "/".join(resource_id.split("/")[9:]))


def _without(mapping: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key != name}


def _stopped(error: CommandError, resource: Resource) -> CommandError:
    document = resource.document
    place = f" ({document.file}:{document.lines.get((), 0)})" if document.file else ""
    return replace(
        error,
        message=f"{resource.title}{place}: {error.message}",
        recommended_action=f"{error.recommended_action} {AGAIN}".strip(),
    )
