"""Alerts as the configuration has them: who owns a vault, where mails go, what webhooks may do."""

from __future__ import annotations

from datetime import timedelta

from coordinator.access.queries import owners_addresses
from coordinator.config.configuration import Configuration
from coordinator.events.alerting.addresses import WebhookRules, read_networks
from coordinator.events.alerting.delivering import Sending
from coordinator.events.alerting.mail_server import MailServer, Security
from coordinator.events.alerting.sealing import ensure_seal
from coordinator.events.alerting.telling import Telling
from coordinator.secret import Secret
from coordinator.vaults.models import Vault


def telling(configuration: Configuration) -> Telling:
    """Whom to tell of events."""
    return Telling(
        owners_of=_owners_of,
        mails=bool(configuration.smtp_host),
        between_mails=timedelta(seconds=configuration.alert_mail_seconds),
    )


def sending(configuration: Configuration) -> Sending:
    """How to send alerts; the key that secrets are sealed with is made if there is none."""
    return Sending(
        seal=ensure_seal(configuration.state / "secrets"),
        rules=webhook_rules(configuration),
        server=mail_server(configuration),
    )


def webhook_rules(configuration: Configuration) -> WebhookRules:
    """Where webhooks may lead."""
    return WebhookRules(read_networks(configuration.webhook_networks), configuration.alert_ca_file)


def mail_server(configuration: Configuration) -> MailServer | None:
    """The SMTP server; None: there is none."""
    if not configuration.smtp_host:
        return None
    file = configuration.smtp_password_file
    return MailServer(
        host=configuration.smtp_host,
        port=configuration.smtp_port,
        security=Security(configuration.smtp_security),
        sender=configuration.smtp_from or f"opensiterecovery@{configuration.public_host}",
        user=configuration.smtp_user,
        password=None if file is None else Secret(file.read_text(encoding="utf-8").strip()),
        ca_file=configuration.alert_ca_file,
    )


def _owners_of(vault: Vault) -> list[str]:
    return owners_addresses(vault.subscription_id, vault.resource_group, vault.id)
