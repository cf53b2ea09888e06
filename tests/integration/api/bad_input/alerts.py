"""Requests about who is told of events."""

from __future__ import annotations

from tests.integration.api.bad_input.example import Example

ALERTS = (
    Example(
        name="say who is sent e-mail",
        method="PUT",
        path="/replicationAlertSettings/defaultAlertSetting",
        body={
            "properties": {
                "sendToOwners": "Send",
                "customEmailAddresses": ["operations@example.com"],
                "locale": "en-US",
            }
        },
        harmless={
            ("properties", "sendToOwners"): [None],
            ("properties", "customEmailAddresses"): [None],
            ("properties", "locale"): [None],
        },
    ),
    Example(
        name="make a webhook",
        method="PUT",
        path="/webhooks/pager",
        body={
            "properties": {
                "url": "https://alerts.example.com/osr",
                "enabled": True,
                "eventTypes": ["ServerHealth"],
                "severities": ["Critical"],
            }
        },
    ),
)
