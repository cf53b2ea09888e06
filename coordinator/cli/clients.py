"""Microsoft's SDK clients, pointed at the coordinator."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from coordinator.cli.connection import Connection
from coordinator.cli.tokens import TokenFile

if TYPE_CHECKING:
    from azure.core.rest import HttpResponse
    from azure.mgmt.authorization import AuthorizationManagementClient
    from azure.mgmt.recoveryservices import RecoveryServicesClient
    from azure.mgmt.recoveryservicessiterecovery import SiteRecoveryManagementClient

    from coordinator.cli.credentials import PersonCredential, ProgramCredential

API_VERSION = "2025-08-01"


class Clients:
    """The clients and the calls none of them has.

    Microsoft's packages take a second to import: they are when a command needs them first, so
    that help and completion come at once.
    """

    def __init__(self, connection: Connection, vault: str, kept: TokenFile | None = None) -> None:
        self.connection = connection
        self.resource_group = connection.resource_group
        self.vault = vault
        self._kept = kept

    @property
    def endpoint(self) -> str:
        return self.connection.endpoint

    @property
    def scope(self) -> tuple[str, str]:
        """Resource group and vault: what every call of Site Recovery begins with."""
        return self.resource_group, self.vault

    @property
    def vault_id(self) -> str:
        """ARM id of the vault."""
        return (
            f"/subscriptions/{self.connection.subscription_id}/resourceGroups/"
            f"{self.resource_group}/providers/Microsoft.RecoveryServices/vaults/{self.vault}"
        )

    @cached_property
    def site_recovery(self) -> SiteRecoveryManagementClient:
        from azure.mgmt.recoveryservicessiterecovery import (  # noqa: PLC0415 - see the class
            SiteRecoveryManagementClient,
        )

        return SiteRecoveryManagementClient(
            self._credential, self.connection.subscription_id, **self._options
        )

    @cached_property
    def recovery_services(self) -> RecoveryServicesClient:
        from azure.mgmt.recoveryservices import RecoveryServicesClient  # noqa: PLC0415 - likewise

        return RecoveryServicesClient(
            self._credential, self.connection.subscription_id, **self._options
        )

    @cached_property
    def authorization(self) -> AuthorizationManagementClient:
        from azure.mgmt.authorization import (  # noqa: PLC0415 - likewise
            AuthorizationManagementClient,
        )

        return AuthorizationManagementClient(
            self._credential, self.connection.subscription_id, **self._options
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

    def request(self, method: str, path: str, body: object = None) -> Any:
        """As `send`, for a call that may begin a job.

        Returns:
            The answer's JSON; without one the name of the job, or None when there is none.

        Raises:
            HttpResponseError: The service refused.
        """
        response = self._send(method, path, body)
        if response.content:
            return response.json()
        address = response.headers.get("Azure-AsyncOperation") or ""
        return {"job": urlsplit(address).path.rpartition("/")[2]} if address else None

    def download(self, address: str, token: str) -> bytes:
        """What is at an address that its own token opens.

        Raises:
            HttpResponseError: The service refused.
        """
        from azure.core.rest import HttpRequest  # noqa: PLC0415 - see the class

        separator = "" if token.startswith("?") else "?"
        request = HttpRequest("GET", f"{address}{separator}{token}")
        # As a stream: the SDK would read whatever calls itself XML, spreadsheets too.
        response = self.site_recovery.send_request(request, stream=True)
        response.raise_for_status()
        return b"".join(response.iter_bytes())

    def list(self, path: str) -> list[Any]:
        """All pages of a list that Microsoft's clients have no method for.

        Raises:
            HttpResponseError: The service refused.
        """
        answer: Any = self.send("GET", path)
        found = list(answer["value"])
        while answer.get("nextLink"):
            [token] = parse_qs(urlsplit(answer["nextLink"]).query)["$skipToken"]
            answer = self.send("GET", path, parameters={"$skipToken": token})
            found += answer["value"]
        return found

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
        from azure.core.rest import HttpRequest  # noqa: PLC0415 - likewise

        query = {"api-version": API_VERSION, **(parameters or {})}
        request = HttpRequest(
            method, f"{self.endpoint}{self.vault_id}{path}", params=query, json=body
        )
        response = self.site_recovery.send_request(request)
        response.raise_for_status()
        return response

    @cached_property
    def _credential(self) -> PersonCredential | ProgramCredential:
        from coordinator.cli.credentials import credential_for  # noqa: PLC0415 - likewise

        return credential_for(self.connection, self._kept)

    @property
    def _options(self) -> dict[str, Any]:
        from coordinator.cli.credentials import KeptTokenPolicy  # noqa: PLC0415 - likewise

        return {
            "base_url": self.endpoint,
            "connection_verify": self.connection.verify,
            "authentication_policy": KeptTokenPolicy(self._credential, f"{self.endpoint}/.default"),
            "retry_total": 3,
        }
