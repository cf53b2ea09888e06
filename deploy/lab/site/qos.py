"""QoS policies of hosts: keeping them, and holding back what a host sends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.lab.site.errors import HyperVError
from deploy.lab.site.qos_model import QosPolicy

if TYPE_CHECKING:
    from deploy.lab.site.core import SiteCore
    from deploy.lab.site.model import Host

CIM_EXCEPTION = "Microsoft.Management.Infrastructure.CimException"
# Examples of New-NetQosPolicy show rates rounded up: 512,000 bits a second become 516,096, which
# is 63 KiB. Policies are kept in whole KiB a second.
STEP_BITS_PER_SECOND = 8 * 1024
TCP = frozenset({"TCP", "Both"})


def rounded(bits_per_second: int) -> int:
    return -(-bits_per_second // STEP_BITS_PER_SECOND) * STEP_BITS_PER_SECOND


def find(host: Host, name: str) -> QosPolicy | None:
    """A policy by its name, in any case."""
    return next((each for each in host.qos_policies if each.name.lower() == name.lower()), None)


def add(site: SiteCore, host: Host, policy: QosPolicy, command_id: str | None) -> None:
    """New-NetQosPolicy.

    Raises:
        HyperVError: There is a policy of that name.
    """
    if find(host, policy.name) is not None:
        raise HyperVError(
            "MI RESULT 11",
            "ResourceExists",
            "Instance MSFT_NetQosPolicySettingData already exists",
            CIM_EXCEPTION,
            policy.name,
        )
    policy.bits_per_second = rounded(policy.bits_per_second)
    host.qos_policies.append(policy)
    _done(site, host, "added", policy, command_id)


def change_rate(
    site: SiteCore, host: Host, policy: QosPolicy, bits_per_second: int, command_id: str | None
) -> None:
    """Set-NetQosPolicy. The rate it has already changes nothing."""
    if policy.bits_per_second == rounded(bits_per_second):
        return
    policy.bits_per_second = rounded(bits_per_second)
    _done(site, host, "changed", policy, command_id)


def remove(site: SiteCore, host: Host, policy: QosPolicy, command_id: str | None) -> None:
    host.qos_policies.remove(policy)
    _done(site, host, "removed", policy, command_id)


def _done(site: SiteCore, host: Host, what: str, policy: QosPolicy, command_id: str | None) -> None:
    site.save_host(host)
    site.record(
        host.fqdn,
        (f"qos_policy.{what}", policy.name),
        command_id,
        {"port": policy.destination_port_start, "bits_per_second": policy.bits_per_second},
    )


class Throttle:
    """Lets each host send no more to a port than its policies say, whoever of it sends."""

    def __init__(self) -> None:
        self._free_at: dict[tuple[str, str], float] = {}

    def seconds_to_wait(self, host: Host, port: int, length: int, now: float) -> float:
        """How long the next ``length`` bytes of the host to that port must wait.

        Of several policies for a port the most exact one holds, as in Windows; the lab takes the
        one with the fewest ports.

        Args:
            host: Who sends.
            port: Destination.
            length: Bytes to send; they count as sent.
            now: On a clock that never goes back, in real seconds.
        """
        policies = [
            each
            for each in host.qos_policies
            if each.bits_per_second
            and each.protocol in TCP
            and each.destination_port_start <= port <= each.destination_port_end
        ]
        if not policies:
            return 0.0
        policy = min(
            policies, key=lambda each: each.destination_port_end - each.destination_port_start
        )
        key = (host.fqdn, policy.name)
        start = max(now, self._free_at.get(key, now))
        self._free_at[key] = start + length * 8 / policy.bits_per_second
        return self._free_at[key] - now
