"""Routes of a vault's settings: one set, and what ASR keeps in it is of other scenarios."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Path, Router

from coordinator.api.addresses import VaultPath
from coordinator.api.bodies import RequestPart
from coordinator.api.calls import Answer, Call, open_vault, served
from coordinator.api.errors import NotFoundError
from coordinator.api.paging import page
from coordinator.api.paths import VAULT
from coordinator.api.responses import lists, shows
from coordinator.api.shapes.envelope import Resource, resource
from coordinator.api.shapes.vaults import VaultSettingResource
from coordinator.failures import refuse

router = Router()

SETTING = f"{VAULT}/replicationVaultSettings/{{setting_name}}"
NAME = "default"


class SettingPath(VaultPath):
    setting_name: str


class SettingProperties(RequestPart):
    """What Azure Migrate and replication from VMware keep with a vault."""

    migrationSolutionId: str | None = None  # noqa: N815 - the API's name
    vmwareToAzureProviderType: str | None = None  # noqa: N815 - the API's name


class SettingInput(RequestPart):
    """A vault's settings to keep."""

    properties: SettingProperties


@router.get(f"{VAULT}/replicationVaultSettings", response=lists(VaultSettingResource))
@served
def list_settings(request: HttpRequest, path: Path[VaultPath]) -> Answer:
    """The one set of settings."""
    call = open_vault(request, path)
    return page(request, lambda start, end: [call][start:end], _resource)


@router.get(SETTING, response=shows(VaultSettingResource))
@served
def get_setting(request: HttpRequest, path: Path[SettingPath]) -> Answer:
    return _resource(_open(request, path))


@router.put(SETTING, response=shows(VaultSettingResource))
@served
def put_setting(request: HttpRequest, path: Path[SettingPath], body: SettingInput) -> Answer:
    """Keeps the settings as they are: what would be set has no effect here, and is refused."""
    call = _open(request, path)
    for name, value in body.properties.model_dump().items():
        if value:
            raise refuse(
                "OperationNotSupported",
                f"The setting {name} does not apply to disaster recovery between two VMM sites.",
                causes=["It is one of migration to Azure, or of replication from VMware."],
                action=f"Leave {name} out.",
                field=f"properties.{name}",
            )
    return _resource(call)


def _open(request: HttpRequest, path: SettingPath) -> Call:
    call = open_vault(request, path)
    if path.setting_name.lower() != NAME:
        raise NotFoundError(call.ids.child(SETTING, setting_name=path.setting_name))
    return call


def _resource(call: Call) -> Resource:
    return resource(
        call.ids.child(SETTING, setting_name=NAME),
        {"migrationSolutionId": None, "vmwareToAzureProviderType": None},
    )
