"""Where webhooks may lead: not to what only this machine is meant to reach."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

from coordinator.failures import RefusedError, refuse

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
# Host name and port to addresses; raises OSError when there is none.
Resolve: TypeAlias = Callable[[str, int], Sequence[str]]

# Clouds answer there with credentials of the machine; no setting opens them.
NEVER: tuple[Network, ...] = (
    ip_network("169.254.0.0/16"),
    ip_network("fe80::/10"),
    ip_network("fd00:ec2::254/128"),
    ip_network("100.100.100.200/32"),
    ip_network("168.63.129.16/32"),
)
# IPv4 behind a translator: what counts is the address inside.
TRANSLATED = ip_network("64:ff9b::/96")
LONGEST_URL = 2048


@dataclass(frozen=True)
class WebhookRules:
    """What webhooks may do.

    Attributes:
        networks: That they may reach beside public addresses: the company's own, for example.
        ca_file: Certificates trusted beside the system's; "" for none.
    """

    networks: tuple[Network, ...] = ()
    ca_file: str = ""

    def allow(self, address: Address) -> bool:
        """Whether a request may go there."""
        address = _meant(address)
        if any(address in network for network in NEVER):
            return False
        if address.is_multicast or address.is_unspecified:
            return False
        return address.is_global or any(address in network for network in self.networks)


def read_networks(text: str) -> tuple[Network, ...]:
    """Networks of a setting, by commas.

    Raises:
        ValueError: One is none.
    """
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def resolve(host: str, port: int) -> Sequence[str]:
    """Every address of a name."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def check_url(url: str, rules: WebhookRules) -> SplitResult:
    """A webhook's URL, taken apart.

    What its name leads to is looked at again before each request: see `reachable_addresses`.

    Raises:
        RefusedError: It is none, is not https, or carries a password.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise _unfit(f"{error}.") from error
    if len(url) > LONGEST_URL or not url.isprintable() or not url.isascii() or " " in url:
        raise _unfit(f"It is longer than {LONGEST_URL} letters, or has others than ASCII's.")
    if not host or port == 0:
        raise _unfit("It names no host.")
    if parts.username is not None or parts.password is not None:
        raise _unfit("It carries a name or a password; requests are signed instead.")
    literal = _literal(host)
    if literal is not None and not rules.allow(literal):
        raise address_refused(host, literal)
    if parts.scheme == "https" or (parts.scheme == "http" and _is_here(literal)):
        return parts
    raise _unfit("It does not begin with https://.")


def reachable_addresses(
    host: str, port: int, rules: WebhookRules, find: Resolve = resolve
) -> Sequence[str]:
    """The addresses a request may go to: they were looked at, and are not looked up again.

    Args:
        host: Name or address.
        port: For the look-up.
        rules: What may be reached.
        find: Looks the name up.

    Raises:
        RefusedError: One of its addresses may not be reached.
        OSError: The name leads nowhere.
    """
    found = find(host, port)
    for text in found:
        # "fe80::1%eth0": the zone is of this machine.
        address = ip_address(text.partition("%")[0])
        if not rules.allow(address):
            raise address_refused(host, address)
    if not found:
        raise OSError(f"{host} has no address")
    return found


def address_refused(host: str, address: Address) -> RefusedError:
    """The refusal of a place that webhooks must not reach."""
    return refuse(
        "WebhookAddressNotAllowed",
        f"A webhook must not reach {host} at {address}.",
        causes=["It is of this machine, its link, or a private network not opened to webhooks."],
        action="Use a public address, or have the network added to OSR_WEBHOOK_NETWORKS. Addresses "
        "of links and of clouds' metadata are never reached.",
        field="properties.url",
    )


def _meant(address: Address) -> Address:
    """The address itself, or the IPv4 address inside one that only stands for it."""
    if isinstance(address, IPv6Address):
        if address in TRANSLATED:
            return IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _is_here(literal: Address | None) -> bool:
    """Without TLS only to this machine, where nobody listens on the way."""
    return literal is not None and literal.is_loopback


def _unfit(why: str) -> RefusedError:
    return refuse(
        "WebhookUrlInvalid",
        f"The URL cannot be a webhook's: {why}",
        causes=["It is misspelt.", "The receiver speaks no TLS."],
        action="Give a URL as https://alerts.example.com/osr.",
        status=HTTPStatus.BAD_REQUEST,
        field="properties.url",
    )
