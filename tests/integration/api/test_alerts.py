"""Who is told of events: with Microsoft's client, bare requests and `osr`."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from django.utils import timezone

from coordinator.events.alerting.sealing import ensure_seal
from coordinator.events.models import AlertDelivery, AlertSetting, Webhook
from coordinator.vaults.models import Vault
from tests.integration.api.programs import Program, error_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("EV-2")]

NAME = "defaultAlertSetting"
SETTING = f"/replicationAlertSettings/{NAME}"
PAGER = {"properties": {"url": "https://alerts.example.com/osr"}}


def delivery(vault: Vault, webhook: Webhook | None = None, state: str = "Dead") -> AlertDelivery:
    return AlertDelivery.objects.create(
        vault=vault,
        webhook=webhook,
        address="" if webhook else "operations@example.com",
        content={"kind": "EventsRaised", "total": 3, "events": []},
        state=state,
        attempts=30,
        created_at=timezone.now() - timedelta(days=1),
        finished_at=timezone.now(),
        problem="Nobody listens.",
    )


def make_webhook(program: Program, name: str = "pager") -> str:
    """Makes a webhook; gives its secret."""
    made = program.send("PUT", f"{program.vault_path}/webhooks/{name}", json=PAGER)
    assert made.status_code == 201, made.text
    secret: str = made.json()["properties"]["secret"]
    return secret


@pytest.mark.spec("AP-1")
def test_microsofts_client_says_who_is_sent_mail(program: Program, vault: Vault) -> None:
    settings = program.site_recovery.replication_alert_settings
    [fresh] = settings.list(*program.scope)
    assert (fresh.name, fresh.properties.send_to_owners) == (NAME, "DoNotSend")
    assert fresh.properties.custom_email_addresses == []
    changed = settings.create(
        *program.scope,
        NAME,
        {
            "properties": {
                "sendToOwners": "Send",
                "customEmailAddresses": ["operations@example.com"],
                "locale": "zh-CN",
            }
        },
    )
    got = settings.get(*program.scope, NAME.upper())
    assert got.as_dict() == changed.as_dict()
    assert got.type == "Microsoft.RecoveryServices/vaults/replicationAlertSettings"
    assert got.properties.send_to_owners == "Send"
    assert got.properties.custom_email_addresses == ["operations@example.com"]
    assert got.properties.locale == "zh-CN"
    # There is none in these tests.
    assert got.properties["mailServer"] == "NotConfigured"
    settings.create(*program.scope, NAME, {"properties": {"sendToOwners": "false"}})
    assert AlertSetting.objects.get().addresses == []


def test_there_is_one_setting(program: Program, vault: Vault) -> None:
    with pytest.raises(ResourceNotFoundError):
        program.site_recovery.replication_alert_settings.get(*program.scope, "another")


@pytest.mark.parametrize(
    "properties",
    [
        {"sendToOwners": "perhaps"},
        {"customEmailAddresses": ["nobody"]},
        {"locale": "no locale"},
    ],
)
def test_a_setting_that_cannot_be_is_refused(
    program: Program, vault: Vault, properties: dict[str, Any]
) -> None:
    with pytest.raises(HttpResponseError) as refused:
        program.site_recovery.replication_alert_settings.create(
            *program.scope, NAME, {"properties": properties}
        )
    assert refused.value.status_code == 400
    error = error_of(refused.value)
    assert error["code"] == "AlertSettingInvalid"
    assert error["details"][0]["recommendedAction"]


def test_osr_changes_what_is_given_and_leaves_the_rest(program: Program, vault: Vault) -> None:
    told = program.osr("alerts", "set", "--address", "a@example.com", "--locale", "zh-CN")
    assert told.returncode == 0, told.stderr
    assert program.osr("alerts", "set", "--owners").returncode == 0
    shown = json.loads(program.osr("alerts", "show", "--json").stdout)
    assert shown["properties"]["customEmailAddresses"] == ["a@example.com"]
    assert (shown["properties"]["sendToOwners"], shown["properties"]["locale"]) == ("Send", "zh-CN")
    assert "OSR_SMTP_HOST" in program.osr("alerts", "show").stdout
    assert program.osr("alerts", "set", "--off").returncode == 0
    setting = AlertSetting.objects.get()
    assert (setting.send_to_owners, setting.addresses, setting.locale) == (False, [], "zh-CN")
    refused = program.osr("alerts", "set", "--address", "nobody")
    assert refused.returncode != 0
    assert "name@example.com" in refused.stderr


def test_mails_that_were_given_up_are_listed_and_sent_again(program: Program, vault: Vault) -> None:
    dead, pending = delivery(vault), delivery(vault, state="Pending")
    delivery(vault, Webhook.objects.create(vault=vault, name="w", created_at=timezone.now()))
    address = f"{program.vault_path}{SETTING}/deliveries"
    everything = program.send("GET", address).json()["value"]
    assert {each["name"] for each in everything} == {str(dead.id), str(pending.id)}
    query = {"api-version": "2025-08-01", "$filter": "state eq 'dead'"}
    [listed] = program.send("GET", address, params=query).json()["value"]
    assert listed["name"] == str(dead.id)
    assert listed["properties"]["eventCount"] == 3
    assert listed["properties"]["lastProblem"] == "Nobody listens."
    assert str(dead.id) in program.osr("alerts", "mails", "--state", "Dead").stdout
    again = program.osr("alerts", "redeliver", str(dead.id))
    assert again.returncode == 0, again.stderr
    dead.refresh_from_db()
    assert (dead.state, dead.attempts) == ("Pending", 0)
    refused = program.send("POST", f"{address}/{pending.id}/redeliver")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "DeliveryNotDead")
    for name in (str(uuid4()), "none"):
        assert program.send("POST", f"{address}/{name}/redeliver").status_code == 404
    wrong = {**query, "$filter": "state eq 'ill'"}
    assert program.send("GET", address, params=wrong).status_code == 400


def test_a_webhooks_secret_is_shown_once(program: Program, vault: Vault) -> None:
    secret = make_webhook(program)
    assert secret.startswith("whsec_")
    address = f"{program.vault_path}/webhooks/pager"
    for answer in (
        program.send("GET", address),
        program.send("GET", f"{program.vault_path}/webhooks"),
        program.send("PUT", address, json=PAGER),
    ):
        assert answer.status_code == 200
        assert "whsec_" not in answer.text
        assert "https://alerts.example.com/osr" in answer.text
    webhook = Webhook.objects.get()
    seal = ensure_seal(program.server.state / "secrets")
    assert seal.open(bytes(webhook.sealed_secret), webhook.id).reveal() == secret
    assert (program.server.state / "secrets/alerts.key").stat().st_mode & 0o777 == 0o600
    rotated = program.send("POST", f"{address}/rotateSecret")
    assert rotated.headers["Cache-Control"] == "no-store"
    assert rotated.json()["properties"]["secret"] not in {secret, ""}
    assert rotated.json()["properties"]["formerSecretUntil"]
    log = (program.server.state / "api.log").read_text("utf-8")
    assert "whsec_" not in log


def test_webhooks_are_changed_tried_and_deleted(program: Program, vault: Vault) -> None:
    make_webhook(program)
    address = f"{program.vault_path}/webhooks/pager"
    changed = program.send(
        "PUT",
        f"{program.vault_path}/WEBHOOKS/PAGER",
        json={"properties": {**PAGER["properties"], "severities": ["Critical"]}},
    )
    assert changed.status_code == 200
    assert changed.json()["name"] == "pager"
    tried = program.send("POST", f"{address}/test").json()
    assert (tried["properties"]["state"], tried["properties"]["kind"]) == ("Pending", "Test")
    assert tried["id"].endswith(f"/webhooks/pager/deliveries/{tried['name']}")
    [listed] = program.send("GET", f"{address}/deliveries").json()["value"]
    assert listed["name"] == tried["name"]
    assert program.send("DELETE", address).status_code == 204
    assert program.send("DELETE", address).status_code == 204
    assert program.send("GET", address).status_code == 404
    assert not AlertDelivery.objects.exists()


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://alerts.example.com/", "WebhookUrlInvalid"),
        ("https://127.0.0.1/", "WebhookAddressNotAllowed"),
        ("https://169.254.169.254/latest/meta-data", "WebhookAddressNotAllowed"),
        ("https://10.0.0.1/", "WebhookAddressNotAllowed"),
    ],
)
def test_a_webhook_leads_nowhere_inside(
    program: Program, vault: Vault, url: str, code: str
) -> None:
    refused = program.send(
        "PUT", f"{program.vault_path}/webhooks/inside", json={"properties": {"url": url}}
    )
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, code)


@pytest.mark.spec("AC-3")
def test_another_vaults_webhooks_and_mails_are_not_there(program: Program, vault: Vault) -> None:
    other = Vault.objects.create(
        subscription_id=vault.subscription_id,
        resource_group=vault.resource_group,
        name="Vault-2",
        location="here",
        created_at=timezone.now(),
    )
    webhook = Webhook.objects.create(vault=other, name="pager", created_at=timezone.now())
    lost = delivery(other, webhook)
    mail = delivery(other)
    assert program.send("GET", f"{program.vault_path}/webhooks/pager").status_code == 404
    make_webhook(program)
    for place, name in (("/webhooks/pager", lost.id), (SETTING, mail.id), (SETTING, lost.id)):
        address = f"{program.vault_path}{place}/deliveries/{name}/redeliver"
        assert program.send("POST", address).status_code == 404
    lost.refresh_from_db()
    assert lost.state == "Dead"


@pytest.mark.spec("UI-2")
def test_osr_makes_changes_and_deletes_webhooks(
    program: Program, vault: Vault, tmp_path: Path
) -> None:
    file = tmp_path / "pager.secret"
    url = "https://alerts.example.com/osr"
    made = program.osr("webhook", "create", "pager", "--url", url, "--secret-file", str(file))
    assert made.returncode == 0, made.stderr
    secret = file.read_text("utf-8").strip()
    assert secret.startswith("whsec_")
    assert file.stat().st_mode & 0o777 == 0o600
    assert secret not in made.stdout + made.stderr
    again = program.osr("webhook", "create", "PAGER", "--url", url, "--secret-file", str(file))
    assert again.returncode != 0
    assert "webhook update" in again.stderr
    assert url in program.osr("webhook", "list").stdout
    changed = program.osr("webhook", "update", "pager", "--severity", "Critical", "--disable")
    assert changed.returncode == 0, changed.stderr
    webhook = Webhook.objects.get()
    assert (webhook.severities, webhook.enabled, webhook.url) == (["Critical"], False, url)
    assert "Enable it" in program.osr("webhook", "test", "pager").stderr
    assert program.osr("webhook", "rotate", "pager", "--secret-file", str(file)).returncode == 0
    assert file.read_text("utf-8").strip() != secret
    dead = delivery(vault, webhook)
    assert str(dead.id) in program.osr("webhook", "deliveries", "pager", "--state", "Dead").stdout
    assert program.osr("webhook", "redeliver", "pager", str(dead.id)).returncode == 0
    assert program.osr("webhook", "delete", "pager").returncode != 0
    assert program.osr("webhook", "delete", "pager", "--yes").returncode == 0
    assert not Webhook.objects.exists()
