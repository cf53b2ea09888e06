"""Where webhooks may lead, and where never."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from coordinator.events.alerting.addresses import (
    WebhookRules,
    check_url,
    reachable_addresses,
    read_networks,
)
from coordinator.failures import RefusedError

STRICT = WebhookRules()
WIDE = WebhookRules(read_networks("10.0.0.0/8, 127.0.0.0/8,::1/128,0.0.0.0/0,::/0"))

PUBLIC = ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:93.184.216.34"]
PRIVATE = ["10.1.2.3", "192.168.0.1", "172.16.0.9", "127.0.0.1", "::1", "fd12::1", "100.64.0.1"]
DISGUISED = ["::ffff:10.1.2.3", "64:ff9b::a01:203", "2002:a01:203::1"]
FORBIDDEN = [
    "169.254.169.254",
    "169.254.1.1",
    "fe80::1",
    "fd00:ec2::254",
    "100.100.100.200",
    "168.63.129.16",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "224.0.0.1",
    "0.0.0.0",
    "::",
]

pytestmark = pytest.mark.spec("EV-2")


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_reached(address: str) -> None:
    assert STRICT.allow(ip_address(address))


@pytest.mark.parametrize("address", [*PRIVATE, *DISGUISED])
def test_private_addresses_only_if_a_setting_says_so(address: str) -> None:
    assert not STRICT.allow(ip_address(address))
    assert WIDE.allow(ip_address(address))


@pytest.mark.parametrize("address", FORBIDDEN)
def test_links_and_metadata_never_whatever_the_settings_say(address: str) -> None:
    assert not STRICT.allow(ip_address(address))
    assert not WIDE.allow(ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "https://alerts.example.com/osr",
        "https://alerts.example.com:8443/osr?token=x",
        "https://93.184.216.34/",
    ],
)
def test_urls_with_tls_are_taken(url: str) -> None:
    assert check_url(url, STRICT).scheme == "https"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "alerts.example.com",
        "http://alerts.example.com/osr",
        "http://93.184.216.34/",
        "ftp://alerts.example.com/",
        "file:///etc/passwd",
        "https://",
        "https://user:password@alerts.example.com/",
        "https://alerts.example.com:99999/",
        "https://alerts.example.com:0/",
        "https://alerts.example.com/a b",
        "https://alerts.example.com/\r\nX: y",
        "https://[::1/",
        "https://127.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://" + "a" * 2050,
    ],
)
def test_other_urls_are_refused_with_what_to_do(url: str) -> None:
    with pytest.raises(RefusedError) as refused:
        check_url(url, STRICT)
    assert refused.value.failure.recommended_action
    assert refused.value.field == "properties.url"


def test_without_tls_only_this_machine_and_only_if_a_setting_says_so() -> None:
    with pytest.raises(RefusedError):
        check_url("http://127.0.0.1:8080/", STRICT)
    assert check_url("http://127.0.0.1:8080/", WIDE).port == 8080
    with pytest.raises(RefusedError):
        check_url("http://10.0.0.1/", WIDE)


def test_a_name_that_leads_to_one_forbidden_address_is_refused() -> None:
    def find(host: str, port: int) -> Sequence[str]:
        assert (host, port) == ("alerts.example.com", 443)
        return ["93.184.216.34", "169.254.169.254"]

    with pytest.raises(RefusedError) as refused:
        reachable_addresses("alerts.example.com", 443, STRICT, find)
    assert refused.value.failure.code == "WebhookAddressNotAllowed"


def test_the_address_that_was_looked_at_is_the_one_that_is_used() -> None:
    answers = [["93.184.216.34"], ["127.0.0.1"]]

    def find(_host: str, _port: int) -> Sequence[str]:
        return answers.pop(0)

    assert reachable_addresses("alerts.example.com", 443, STRICT, find) == ["93.184.216.34"]
    assert len(answers) == 1


def test_a_name_without_addresses_leads_nowhere() -> None:
    with pytest.raises(OSError, match="no address"):
        reachable_addresses("alerts.example.com", 443, STRICT, lambda _host, _port: [])
