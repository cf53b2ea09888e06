"""Routes of webhooks, which ASR has none of: ours, in its style."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import Path, Router

from coordinator.api.addresses import VaultPath, read_uuid
from coordinator.api.alert_deliveries import read_state
from coordinator.api.bodies import RequestPart
from coordinator.api.calls import Answer, Call, open_vault, served
from coordinator.api.errors import NotFoundError
from coordinator.api.paging import page
from coordinator.api.paths import VAULT, WEBHOOK
from coordinator.api.responses import NOTHING, lists, makes, shows
from coordinator.api.shapes.webhooks import (
    AlertDeliveryResource,
    WebhookResource,
    delivery_resource,
    webhook_id,
    webhook_resource,
)
from coordinator.events.alerting import queries, services
from coordinator.events.alerting.services import Seal, WebhookRules
from coordinator.events.models import Webhook
from coordinator.secret import Secret

router = Router()

DELIVERIES = f"{WEBHOOK}/deliveries"


class WebhookPath(VaultPath):
    webhook_name: str


class DeliveryPath(WebhookPath):
    delivery_name: str


class WebhookInputProperties(RequestPart):
    """Where events go, and which."""

    url: str
    enabled: bool = True
    eventTypes: Sequence[str] = ()  # noqa: N815 - the API's name
    severities: Sequence[str] = ()


class WebhookInput(RequestPart):
    """A webhook to make or change."""

    properties: WebhookInputProperties


@router.get(f"{VAULT}/webhooks", response=lists(WebhookResource))
@served
def list_webhooks(request: HttpRequest, path: Path[VaultPath]) -> Answer:
    """Webhooks of the vault, without their secrets."""
    call = open_vault(request, path)
    found = queries.list_webhooks(call.vault.id)
    return page(
        request, lambda start, end: found[start:end], lambda row: webhook_resource(call.ids, row)
    )


@router.get(WEBHOOK, response=shows(WebhookResource))
@served
def get_webhook(request: HttpRequest, path: Path[WebhookPath]) -> Answer:
    call = open_vault(request, path)
    return webhook_resource(call.ids, _find(call, path))


@router.put(WEBHOOK, response=makes(WebhookResource))
@served
def put_webhook(request: HttpRequest, path: Path[WebhookPath], body: WebhookInput) -> Answer:
    """Makes a webhook, or changes it; only the answer that makes it has its secret."""
    call, wanted = open_vault(request, path), body.properties
    draft = services.WebhookDraft(
        url=wanted.url,
        enabled=wanted.enabled,
        event_types=wanted.eventTypes,
        severities=wanted.severities,
    )
    tools = (_seal(), _rules())
    webhook, secret = services.put_webhook(
        call.vault, path.webhook_name, draft, tools, call.caller.name, call.now
    )
    if secret is None:
        return webhook_resource(call.ids, webhook)
    return _with_secret(call, webhook, secret, HTTPStatus.CREATED)


@router.delete(WEBHOOK, response=NOTHING)
@served
def delete_webhook(request: HttpRequest, path: Path[WebhookPath]) -> Answer:
    """Deletes a webhook; what was on its way to it is not sent any more."""
    call = open_vault(request, path)
    webhook = queries.find_webhook(call.vault.id, path.webhook_name)
    if webhook is not None:
        services.delete_webhook(webhook)
    return HttpResponse(status=HTTPStatus.NO_CONTENT)


@router.post(f"{WEBHOOK}/rotateSecret", response=shows(WebhookResource))
@served
def rotate_secret(request: HttpRequest, path: Path[WebhookPath]) -> Answer:
    """Gives a webhook a new secret; for a day requests are signed with the former one as well."""
    call = open_vault(request, path)
    webhook = _find(call, path)
    secret = services.rotate_secret(webhook, _seal(), call.now)
    return _with_secret(call, webhook, secret, HTTPStatus.OK)


@router.post(f"{WEBHOOK}/test", response=shows(AlertDeliveryResource))
@served
def try_webhook(request: HttpRequest, path: Path[WebhookPath]) -> Answer:
    """Has a request sent that tells of nothing; its delivery says whether it arrived."""
    call = open_vault(request, path)
    webhook = _find(call, path)
    return delivery_resource(_id(call, webhook), services.try_webhook(webhook, call.now))


@router.get(DELIVERIES, response=lists(AlertDeliveryResource))
@served
def list_deliveries(request: HttpRequest, path: Path[WebhookPath]) -> Answer:
    """Requests on their way, and those of the last two weeks, newest first."""
    call = open_vault(request, path)
    webhook = _find(call, path)
    found = queries.list_deliveries(call.vault.id, webhook, read_state(request))
    return page(
        request,
        lambda start, end: found[start:end],
        lambda row: delivery_resource(_id(call, webhook), row),
    )


@router.post(f"{DELIVERIES}/{{delivery_name}}/redeliver", response=shows(AlertDeliveryResource))
@served
def redeliver(request: HttpRequest, path: Path[DeliveryPath]) -> Answer:
    """Has a request that was given up sent again, under the same id."""
    call = open_vault(request, path)
    webhook = _find(call, path)
    found = queries.find_delivery(call.vault.id, webhook, read_uuid(path.delivery_name))
    if found is None:
        raise NotFoundError(f"{_id(call, webhook)}/deliveries/{path.delivery_name}")
    return delivery_resource(_id(call, webhook), services.redeliver(found, call.now))


def _find(call: Call, path: WebhookPath) -> Webhook:
    webhook = queries.find_webhook(call.vault.id, path.webhook_name)
    if webhook is None:
        raise NotFoundError(webhook_id(call.ids, path.webhook_name))
    return webhook


def _id(call: Call, webhook: Webhook) -> str:
    return webhook_id(call.ids, webhook.name)


def _with_secret(call: Call, webhook: Webhook, secret: Secret, status: HTTPStatus) -> Answer:
    shape = webhook_resource(call.ids, webhook, secret.reveal())
    response = JsonResponse(shape, status=status)
    response["Cache-Control"] = "no-store"
    return response


def _seal() -> Seal:
    return services.ensure_seal(settings.CONFIGURATION.state / "secrets")


def _rules() -> WebhookRules:
    configuration = settings.CONFIGURATION
    networks = services.read_networks(configuration.webhook_networks)
    return WebhookRules(networks, configuration.alert_ca_file)
