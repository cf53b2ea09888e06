"""What the settings of alerts mean."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

from coordinator.config.alerts import mail_server, sending, telling, webhook_rules
from coordinator.config.configuration import read_configuration
from coordinator.events.alerting.mail_server import Security

PASSWORD = "correct horse"


def test_without_a_mail_server_there_are_no_mails() -> None:
    configuration = read_configuration({})
    assert mail_server(configuration) is None
    assert not telling(configuration).mails
    assert webhook_rules(configuration).networks == ()


def test_the_password_is_read_from_its_file_each_time_and_does_not_print(tmp_path: Path) -> None:
    file = tmp_path / "smtp.password"
    file.write_text(f"{PASSWORD}\n", "utf-8")
    environment = {
        "OSR_STATE": str(tmp_path),
        "OSR_SMTP_HOST": "mail.example.com",
        "OSR_SMTP_PORT": "465",
        "OSR_SMTP_SECURITY": "tls",
        "OSR_SMTP_USER": "osr",
        "OSR_SMTP_PASSWORD_FILE": str(file),
        "OSR_PUBLIC_HOST": "recovery.example.com",
        "OSR_ALERT_MAIL_SECONDS": "60",
        "OSR_WEBHOOK_NETWORKS": "10.0.0.0/8, fd00::/8",
    }
    configuration = read_configuration(environment)
    server = sending(configuration).server
    assert server is not None
    assert (server.host, server.port, server.security) == ("mail.example.com", 465, Security.TLS)
    assert server.sender == "opensiterecovery@recovery.example.com"
    assert server.password is not None
    assert server.password.reveal() == PASSWORD
    assert PASSWORD not in f"{server} {configuration}"
    file.write_text("another", "utf-8")
    changed = mail_server(configuration)
    assert changed is not None
    assert changed.password != server.password
    assert telling(configuration).between_mails == timedelta(minutes=1)
    assert webhook_rules(configuration).allow(ip_address("10.1.2.3"))
    assert not webhook_rules(configuration).allow(ip_address("192.168.1.1"))


@pytest.mark.parametrize(
    "environment",
    [
        {"OSR_SMTP_SECURITY": "ssl"},
        {"OSR_SMTP_SECURITY": "none", "OSR_SMTP_USER": "osr"},
        {"OSR_WEBHOOK_NETWORKS": "10.0.0.0/8,everywhere"},
        {"OSR_LOG_FORMAT": "xml"},
        {"OSR_SMTP_PORT": "many"},
    ],
)
def test_what_cannot_be_meant_keeps_the_coordinator_from_starting(
    environment: dict[str, str],
) -> None:
    with pytest.raises(ValueError, match=r"OSR_|everywhere|many"):
        read_configuration(environment)
