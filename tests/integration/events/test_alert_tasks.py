"""Alerts as an installation makes and sends them: by its own periodic tasks and settings."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from coordinator.access.models import RoleAssignment
from coordinator.access.queries import owners_addresses
from coordinator.access.services import (
    OPERATOR,
    OWNER,
    PersonDraft,
    RoleDefinition,
    create_person,
)
from coordinator.config.alerts import sending, webhook_rules
from coordinator.config.configuration import Configuration, read_configuration
from coordinator.config.wiring import domain_tasks, periods
from coordinator.events.alerting.services import WebhookDraft, put_webhook, set_alerts
from coordinator.events.models import AlertDelivery, Event
from coordinator.events.services import EventDraft, raise_event
from coordinator.events.states import EventType, Severity
from coordinator.events.steps import DELIVER_TASK, TELL_TASK
from coordinator.failures import Failure
from coordinator.jobs.domain_tasks import carry_out
from coordinator.jobs.models import OutboxMessage
from coordinator.jobs.periodic import begin_due_work
from coordinator.vaults.models import Vault
from tests.integration.events.receivers import (
    PASSWORD,
    USER,
    MailBox,
    mail_server,
    webhook_receiver,
)

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
TASKS = (TELL_TASK, DELIVER_TASK)

pytestmark = [pytest.mark.django_db, pytest.mark.spec("EV-2")]


@pytest.fixture
def vault() -> Vault:
    return Vault.objects.create(
        subscription_id=uuid4(), resource_group="g", name="Vault-1", location="", created_at=NOW
    )


def person(vault: Vault, name: str, email: str, role: RoleDefinition | None) -> None:
    draft = PersonDraft(name, email, uuid4(), vault.subscription_id)
    create_person(draft, NOW, role=role)


def turn(configuration: Configuration, now: datetime) -> None:
    """What a sweep and a worker do of alerts."""
    wanted = {task: period for task, period in periods(configuration).items() if task in TASKS}
    begin_due_work(wanted, now)
    tasks = domain_tasks(configuration)
    for message in OutboxMessage.objects.filter(task__in=TASKS).order_by("task", "id"):
        carry_out(message.pk, tasks, lambda: now)
        assert not OutboxMessage.objects.filter(pk=message.pk).exists(), message.task


def test_an_installation_tells_owners_and_webhooks(vault: Vault, tmp_path: Path) -> None:
    person(vault, "li.wei", "li.wei@example.com", OWNER)
    person(vault, "operator", "operator@example.com", OPERATOR)
    password_file = tmp_path / "password"
    password_file.write_text(PASSWORD, "utf-8")
    box = MailBox()
    with mail_server(box, tmp_path / "ca") as port, webhook_receiver() as receiver:
        configuration = read_configuration(
            {
                "OSR_STATE": str(tmp_path),
                "OSR_SMTP_HOST": "localhost",
                "OSR_SMTP_PORT": str(port),
                "OSR_SMTP_USER": USER,
                "OSR_SMTP_PASSWORD_FILE": str(password_file),
                "OSR_ALERT_CA_FILE": str(tmp_path / "ca/ca.pem"),
                "OSR_WEBHOOK_NETWORKS": "127.0.0.1/32",
            }
        )
        set_alerts(vault, [], "", send_to_owners=True)
        tools = (sending(configuration).seal, webhook_rules(configuration))
        put_webhook(vault, "pager", WebhookDraft(receiver.url), tools, "tests", NOW)
        raise_event(
            EventDraft(
                vault_id=vault.id,
                type=EventType.SERVER_HEALTH,
                severity=Severity.CRITICAL,
                failure=Failure("25018", "VMM-1 is not connected.", ("Down.",), "Fail over."),
                affected_type="Server",
                affected_id="1",
                affected_name="VMM-1",
                key="server-lost:1",
            ),
            NOW,
        )
        for seconds in (0, 5, 10, 35, 40, 60):
            turn(configuration, NOW + timedelta(seconds=seconds))
    assert [address for address, _ in box.mails] == ["li.wei@example.com"]
    [(_, body)] = receiver.requests
    assert json.loads(body)["events"][0]["affectedObjectFriendlyName"] == "VMM-1"
    assert {each.state for each in AlertDelivery.objects.all()} == {"Delivered"}
    assert Event.objects.get().told_at is not None


def test_owners_are_people_who_own_the_vault_and_have_an_address(vault: Vault) -> None:
    person(vault, "above", "above@example.com", OWNER)
    person(vault, "silent", "", OWNER)
    person(vault, "operator", "operator@example.com", OPERATOR)
    stranger = Vault.objects.create(
        subscription_id=uuid4(), resource_group="g", name="Vault-1", location="", created_at=NOW
    )
    person(stranger, "stranger", "stranger@example.com", OWNER)
    where = (vault.subscription_id, "G", vault.id)
    assert owners_addresses(*where) == ["above@example.com"]
    other = Vault.objects.create(
        subscription_id=vault.subscription_id,
        resource_group="g",
        name="Vault-2",
        location="",
        created_at=NOW,
    )
    RoleAssignment.objects.filter(vault=None).update(vault=other)
    assert owners_addresses(*where) == []
    assert owners_addresses(vault.subscription_id, "g", other.id) == ["above@example.com"]
