"""A program that uses the API: Microsoft's clients, the command, and bare requests."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import requests
from azure.core.exceptions import AzureError
from azure.identity import ClientSecretCredential
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.recoveryservices import RecoveryServicesClient
from azure.mgmt.recoveryservicessiterecovery import SiteRecoveryManagementClient

from tests.integration.api.openapi.checking import ComparedWithTheDocument, check

API_VERSION = {"api-version": "2025-08-01"}


@dataclass(frozen=True)
class Server:
    """A running API process.

    Attributes:
        url: Its base URL.
        ca_file: The authority of its certificate.
        state: Its state folder.
    """

    url: str
    ca_file: Path
    state: Path

    def answers(self, process: subprocess.Popen[bytes]) -> bool:
        if process.poll() is not None:
            log = (self.state / "api.log").read_text(encoding="utf-8")
            raise RuntimeError(f"the API process ended: {log}")
        try:
            requests.get(self.url, verify=str(self.ca_file), timeout=5)
        except (requests.ConnectionError, requests.Timeout):
            # A busy machine may take its time until the first answer.
            return False
        return True


@dataclass(frozen=True)
class Program:
    """A program with an id and a secret."""

    server: Server
    tenant_id: str
    client_id: str
    client_secret: str
    subscription_id: str
    vault: str
    folder: Path
    resource_group: str = "group-1"

    @cached_property
    def credential(self) -> ClientSecretCredential:
        return ClientSecretCredential(
            self.tenant_id,
            self.client_id,
            self.client_secret,
            authority=self.server.url,
            disable_instance_discovery=True,
            connection_verify=str(self.server.ca_file),
        )

    @cached_property
    def site_recovery(self) -> Any:
        """Microsoft's client; Any, because it types every property of an answer as optional."""
        return SiteRecoveryManagementClient(
            self.credential,
            self.subscription_id,
            base_url=self.server.url,
            connection_verify=str(self.server.ca_file),
            per_retry_policies=[ComparedWithTheDocument()],
        )

    @cached_property
    def recovery_services(self) -> Any:
        return RecoveryServicesClient(
            self.credential,
            self.subscription_id,
            base_url=self.server.url,
            connection_verify=str(self.server.ca_file),
            per_retry_policies=[ComparedWithTheDocument()],
        )

    @cached_property
    def authorization(self) -> Any:
        return AuthorizationManagementClient(
            self.credential,
            self.subscription_id,
            base_url=self.server.url,
            connection_verify=str(self.server.ca_file),
        )

    @cached_property
    def token(self) -> str:
        return self.credential.get_token(f"{self.server.url}/.default").token

    @property
    def scope(self) -> tuple[str, str]:
        return self.resource_group, self.vault

    @property
    def vault_path(self) -> str:
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.RecoveryServices/vaults/{self.vault}"
        )

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        """A request with the program's token; options are those of `requests.request`."""
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        return self.send_bare(method, path, headers=headers, **options)

    def send_bare(self, method: str, path: str, **options: Any) -> requests.Response:
        """A request as it is; the API version is added unless other parameters are given."""
        answer = requests.request(
            method,
            f"{self.server.url}{path}",
            **{
                "verify": str(self.server.ca_file),
                "timeout": 30,
                "params": API_VERSION,
                **options,
            },
        )
        check(answer)
        return answer

    def osr(
        self, *arguments: str, columns: int = 200, typed: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Runs the command with the program's connection file; `typed` is typed at a terminal."""
        environment = {"OSR_CONNECTION": str(self.connection_file), "COLUMNS": str(columns)}
        if not typed:
            return run_osr(arguments, environment)
        ours, theirs = pty.openpty()
        try:
            os.write(ours, typed.encode())
            return run_osr(arguments, environment, theirs)
        finally:
            os.close(ours)
            os.close(theirs)

    @cached_property
    def connection_file(self) -> Path:
        self.folder.mkdir(parents=True)
        file = self.folder / "connection.json"
        content = {
            "endpoint": self.server.url,
            "authority": self.server.url,
            "tenant_id": self.tenant_id,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "subscription_id": self.subscription_id,
            "resource_group": self.resource_group,
            "vault": self.vault,
            "ca_file": str(self.server.ca_file),
            "gateway": "",
        }
        file.write_text(json.dumps(content), encoding="utf-8")
        return file

    def close(self) -> None:
        """Closes the clients that were used."""
        for name in ("site_recovery", "recovery_services", "authorization", "credential"):
            if name in self.__dict__:
                self.__dict__[name].close()


def run_osr(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    stdin: int = subprocess.DEVNULL,
    typed: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """Runs the command; `typed` comes through a pipe instead of `stdin`."""
    source: dict[str, Any] = {"stdin": stdin} if typed is None else {"input": typed}
    return subprocess.run(
        [sys.executable, "-m", "coordinator.cli.main", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **source,
    )


def error_of(raised: AzureError) -> dict[str, Any]:
    """The "error" member of what the SDK raised."""
    response = getattr(raised, "response", None)
    assert response is not None
    error = json.loads(response.text())["error"]
    assert isinstance(error, dict)
    return error
