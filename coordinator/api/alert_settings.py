"""Routes of e-mail about a vault: ASR's setting, and the mails that are on their way."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from django.http import HttpRequest
from ninja import Path, Router

from coordinator.api.addresses import VaultPath, read_uuid
from coordinator.api.alert_deliveries import read_state
from coordinator.api.bodies import RequestPart
from coordinator.api.calls import Answer, Call, open_vault, served
from coordinator.api.errors import NotFoundError
from coordinator.api.paging import page
from coordinator.api.paths import ALERT_SETTING, VAULT
from coordinator.api.responses import lists, shows
from coordinator.api.shapes.alert_settings import (
    NAME,
    AlertSettingResource,
    alert_setting_resource,
)
from coordinator.api.shapes.webhooks import AlertDeliveryResource, delivery_resource
from coordinator.events.alerting import queries, services
from coordinator.failures import refuse

router = Router()

DELIVERIES = f"{ALERT_SETTING}/deliveries"
# ASR writes the former, its examples the latter.
WORDS = {"send": True, "donotsend": False, "true": True, "false": False, "": False}


class AlertSettingPath(VaultPath):
    setting_name: str


class MailPath(AlertSettingPath):
    delivery_name: str


class AlertProperties(RequestPart):
    """ASR's ConfigureAlertRequestProperties."""

    sendToOwners: str | None = None  # noqa: N815 - the API's name
    customEmailAddresses: Sequence[str] | None = None  # noqa: N815 - the API's name
    locale: str | None = None


class AlertInput(RequestPart):
    """Who shall be sent e-mail about a vault."""

    properties: AlertProperties = AlertProperties()


@router.get(f"{VAULT}/replicationAlertSettings", response=lists(AlertSettingResource))
@served
def list_alert_settings(request: HttpRequest, path: Path[VaultPath]) -> Answer:
    """The one setting of a vault."""
    call = open_vault(request, path)
    return page(request, lambda start, end: [call][start:end], _resource)


@router.get(ALERT_SETTING, response=shows(AlertSettingResource))
@served
def get_alert_setting(request: HttpRequest, path: Path[AlertSettingPath]) -> Answer:
    return _resource(_open(request, path))


@router.put(ALERT_SETTING, response=shows(AlertSettingResource))
@served
def put_alert_setting(
    request: HttpRequest, path: Path[AlertSettingPath], body: AlertInput
) -> Answer:
    """Says who is sent e-mail; what is left out is not sent to."""
    call, wanted = _open(request, path), body.properties
    services.set_alerts(
        call.vault,
        wanted.customEmailAddresses or (),
        wanted.locale or "",
        send_to_owners=_truth(wanted.sendToOwners or ""),
    )
    return _resource(call)


@router.get(DELIVERIES, response=lists(AlertDeliveryResource))
@served
def list_mails(request: HttpRequest, path: Path[AlertSettingPath]) -> Answer:
    """Mails on their way, and those of the last two weeks, newest first."""
    call = _open(request, path)
    found = queries.list_deliveries(call.vault.id, None, read_state(request))
    return page(
        request,
        lambda start, end: found[start:end],
        lambda row: delivery_resource(_id(call), row),
    )


@router.post(f"{DELIVERIES}/{{delivery_name}}/redeliver", response=shows(AlertDeliveryResource))
@served
def redeliver_mail(request: HttpRequest, path: Path[MailPath]) -> Answer:
    """Has a mail that was given up sent again."""
    call = _open(request, path)
    found = queries.find_delivery(call.vault.id, None, read_uuid(path.delivery_name))
    if found is None:
        raise NotFoundError(f"{_id(call)}/deliveries/{path.delivery_name}")
    return delivery_resource(_id(call), services.redeliver(found, call.now))


def _open(request: HttpRequest, path: AlertSettingPath) -> Call:
    call = open_vault(request, path)
    if path.setting_name.lower() != NAME.lower():
        raise NotFoundError(call.ids.child(ALERT_SETTING, setting_name=path.setting_name))
    return call


def _resource(call: Call) -> AlertSettingResource:
    setting = queries.find_alert_setting(call.vault.id)
    has_server = bool(settings.CONFIGURATION.smtp_host)
    return alert_setting_resource(call.ids, setting, has_server=has_server)


def _id(call: Call) -> str:
    return call.ids.child(ALERT_SETTING, setting_name=NAME)


def _truth(word: str) -> bool:
    if word.lower() not in WORDS:
        raise refuse(
            "AlertSettingInvalid",
            f'"{word[:64]}" does not say whether owners are sent mail.',
            causes=["It is misspelt."],
            action="Write Send or DoNotSend.",
            field="properties.sendToOwners",
        )
    return WORDS[word.lower()]
