"""Microsoft's SDK clients, pointed at the coordinator."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from azure.core.rest import HttpRequest, HttpResponse
from azure.identity import ClientSecretCredential
from azure.mgmt.recoveryservices import RecoveryServicesClient
from azure.mgmt.recoveryservicessiterecovery import SiteRecoveryManagementClient

from coordinator.cli.connection import Connection

API_VERSION = "2025-08-01"


class Clients:
    """The two clients and the calls neither of them has."""

    def __init__(self, connection: Connection, vault: str) -> None:
        self._connection = connection
        self.resource_group = connection.resource_group
        self.vault = vault

    @property
    def endpoint(self) -> str:
        return self._connection.endpoint

    @property
    def scope(self) -> tuple[str, str]:
        """Resource group and vault: what every call of Site Recovery begins with."""
        return self.resource_group, self.vault

    @cached_property
    def site_recovery(self) -> SiteRecoveryManagementClient:
        return SiteRecoveryManagementClient(
            self._credential, self._connection.subscription_id, **self._options
        )

    @cached_property
    def recovery_services(self) -> RecoveryServicesClient:
        return RecoveryServicesClient(
            self._credential, self._connection.subscription_id, **self._options
        )

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        parameters: Mapping[str, str] | None = None,
    ) -> Any:
        """Makes a call that Microsoft's clients have no method for.

        Args:
            method: HTTP method.
            path: Below the vault's address, for example "/registrationKeys".
            body: JSON to send.
            parameters: Of the query, beside the API's version.

        Returns:
            The answer's JSON; None when it has no body, as that to a call that begins a job.

        Raises:
            HttpResponseError: The service refused.
        """
        response = self._send(method, path, body, parameters)
        return response.json() if response.content else None

    def start(self, method: str, path: str, body: object = None) -> str:
        """Makes such a call whose work a job does.

        Returns:
            Name of the job; empty when there was nothing left to do.

        Raises:
            HttpResponseError: The service refused.
        """
        address = self._send(method, path, body).headers.get("Azure-AsyncOperation") or ""
        return str(urlsplit(address).path.rpartition("/")[2])

    def _send(
        self,
        method: str,
        path: str,
        body: object,
        parameters: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        address = (
            f"{self.endpoint}/subscriptions/{self._connection.subscription_id}/resourceGroups/"
            f"{self.resource_group}/providers/Microsoft.RecoveryServices/vaults/{self.vault}{path}"
        )
        query = {"api-version": API_VERSION, **(parameters or {})}
        request = HttpRequest(method, address, params=query, json=body)
        response = self.site_recovery.send_request(request)
        response.raise_for_status()
        return response

    @cached_property
    def _credential(self) -> ClientSecretCredential:
        connection = self._connection
        return ClientSecretCredential(
            connection.tenant_id,
            connection.client_id,
            connection.client_secret.reveal(),
            authority=connection.authority,
            disable_instance_discovery=True,
            connection_verify=connection.ca_file,
            retry_total=2,
        )

    @property
    def _options(self) -> dict[str, Any]:
        return {
            "base_url": self._connection.endpoint,
            "connection_verify": self._connection.ca_file,
            "retry_total": 3,
        }
