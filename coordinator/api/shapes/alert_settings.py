"""Who is sent e-mail about a vault, in answers."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from coordinator.api.paths import ALERT_SETTING, VaultId
from coordinator.api.shapes.envelope import Envelope, resource
from coordinator.events.models import AlertSetting

# A vault has one, and clients of ASR ask for it by this name.
NAME = "defaultAlertSetting"
DEFAULT_LOCALE = "en-US"
SEND, DO_NOT_SEND = "Send", "DoNotSend"


class AlertSettingProperties(TypedDict):
    sendToOwners: Literal["Send", "DoNotSend"]
    customEmailAddresses: list[str]
    locale: str
    # Beyond ASR's model: without a mail server nothing is sent.
    mailServer: Literal["Configured", "NotConfigured"]


class AlertSettingResource(Envelope):
    """Who is sent e-mail when something is wrong in a vault."""

    properties: AlertSettingProperties


def alert_setting_resource(
    ids: VaultId, setting: AlertSetting | None, *, has_server: bool
) -> AlertSettingResource:
    """ASR's Alert; a vault of which nobody said anything sends nothing."""
    owners = setting is not None and setting.send_to_owners
    return resource(
        ids.child(ALERT_SETTING, setting_name=NAME),
        {
            "sendToOwners": "Send" if owners else "DoNotSend",
            "customEmailAddresses": [] if setting is None else setting.addresses,
            "locale": DEFAULT_LOCALE if setting is None else setting.locale,
            "mailServer": "Configured" if has_server else "NotConfigured",
        },
    )
