"""What agents can send is what the privacy page lists, field by field (SPEC PV-1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from opensiterecovery.provider.v1 import registration_pb2, session_pb2

PAGE = Path(__file__).parents[2] / "deploy/docs/privacy.md"
# Everything an agent sends is in one of these.
SENT = (
    registration_pb2.RegisterRequest.DESCRIPTOR,
    session_pb2.AgentMessage.DESCRIPTOR,
    session_pb2.RenewCertificateRequest.DESCRIPTOR,
)
# A row of the page: | `Message` | `field`, `field` | what for |
ROW = re.compile(
    r"^\| `(?P<message>\w+)` \| (?P<fields>[^|]+) \| (?P<purpose>[^|]+) \|$", re.MULTILINE
)
# The rows of the table of what ASR collected, and what our own operations add.
PURPOSES = {
    "Register server",
    "Enable replication",
    "Network mapping",
    "Storage mapping",
    "Failover",
    "Operations",
}
# All that is not text, number, truth value, time or enumeration.
BYTES = {"RegisterRequest.registration_key", "*.certificate_request"}

pytestmark = pytest.mark.spec("PV-1")


def reachable(start: Descriptor, seen: dict[str, Descriptor]) -> Iterator[Descriptor]:
    if start.full_name in seen or not start.full_name.startswith("opensiterecovery."):
        return
    seen[start.full_name] = start
    yield start
    for field in start.fields:
        if field.message_type is not None:
            yield from reachable(field.message_type, seen)


def sent_messages() -> list[Descriptor]:
    seen: dict[str, Descriptor] = {}
    return [message for start in SENT for message in reachable(start, seen)]


def listed() -> dict[str, tuple[set[str], str]]:
    found = {}
    for row in ROW.finditer(PAGE.read_text(encoding="utf-8")):
        fields = set(re.findall(r"`(\w+)`", row["fields"]))
        assert row["message"] not in found, row["message"]
        found[row["message"]] = (fields, row["purpose"].strip())
    return found


def test_every_field_an_agent_can_send_is_on_the_page_and_no_other() -> None:
    sent = {message.name: {field.name for field in message.fields} for message in sent_messages()}
    page = {name: fields for name, (fields, _) in listed().items()}
    missing = {
        name: sorted(fields - page.get(name, set()))
        for name, fields in sent.items()
        if fields - page.get(name, set())
    }
    assert missing == {}, f"agents can send what {PAGE.name} does not list"
    stale = {
        name: sorted(fields - sent.get(name, set()))
        for name, fields in page.items()
        if fields - sent.get(name, set())
    }
    assert stale == {}, f"{PAGE.name} lists what no agent sends"


def test_every_message_has_one_of_the_known_purposes() -> None:
    assert {purpose for _, purpose in listed().values()} <= PURPOSES


def test_no_message_has_room_for_the_content_of_a_machine() -> None:
    """Content would be bytes, and the only bytes are of keys and certificates."""
    for message in sent_messages():
        for field in message.fields:
            if field.type == FieldDescriptor.TYPE_BYTES:
                assert {f"{message.name}.{field.name}", f"*.{field.name}"} & BYTES, field.full_name
