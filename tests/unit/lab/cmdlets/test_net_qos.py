"""QoS policies of hosts: what the cmdlets keep, and what it does to replication."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from deploy.lab.site.model import Host
from deploy.lab.site.qos import Throttle
from deploy.lab.site.qos_model import QosPolicy
from tests.unit.lab.cmdlets.test_replication import EAST, replicate

if TYPE_CHECKING:
    from tests.unit.lab.cmdlets.conftest import Shell

NAME = "Open Site Recovery 8084"


def new(step: Any, bits: int, **more: Any) -> Any:
    return step(
        "New-NetQosPolicy",
        NAME,
        IPProtocolMatchCondition="TCP",
        IPDstPortMatchCondition=8084,
        ThrottleRateActionBitsPerSecond=bits,
        Confirm=False,
        **({"CimSession": EAST} | more),
    )


@pytest.mark.spec("CA-2")
async def test_a_policy_is_made_changed_shown_and_removed_on_the_host(
    east: Shell, step: Any
) -> None:
    listing = step("Get-NetQosPolicy", CimSession=EAST)
    assert await east.objects(listing) == []
    await east.objects(new(step, 500 * 1024))
    [policy] = await east.objects(listing)
    # 500 KiB a second in Microsoft's example comes out as 516.096 kbit/s.
    assert int(policy.ThrottleRateAction) == 516_096
    assert (policy.Name, int(policy.IPDstPortStartMatchCondition)) == (NAME, 8084)
    change = step(
        "Set-NetQosPolicy",
        NAME,
        ThrottleRateActionBitsPerSecond=8192 * 10,
        CimSession=EAST,
        Confirm=False,
    )
    await east.objects(change)
    await east.objects(change)
    [policy] = await east.objects(step("Get-NetQosPolicy", NAME, CimSession=EAST))
    assert int(policy.ThrottleRateAction) == 81_920
    await east.objects(step("Remove-NetQosPolicy", NAME, CimSession=EAST, Confirm=False))
    assert await east.objects(listing) == []
    assert [each for each in east.effects() if each.startswith("qos")] == [
        "qos_policy.added",
        "qos_policy.changed",
        "qos_policy.removed",
    ]


async def test_what_windows_refuses_is_refused(east: Shell, step: Any) -> None:
    await east.objects(new(step, 8192))
    for wrong, category in (
        (new(step, 8192), "ResourceExists"),
        (new(step, 8192, CimSession="nobody.contoso.com"), "ConnectionError"),
        (step("Get-NetQosPolicy", "None", CimSession=EAST), "ObjectNotFound"),
        (step("Remove-NetQosPolicy", "None", CimSession=EAST, Confirm=False), "ObjectNotFound"),
        (step("New-NetQosPolicy", "Weight", CimSession=EAST, SMB=True), "NotImplemented"),
        (step("Get-NetQosPolicy"), "NotImplemented"),
    ):
        outcome = await east.run(wrong)
        assert [each.CategoryInfo.Category.name for each in outcome.errors] == [category]


def host_with(*policies: QosPolicy) -> Host:
    return Host(
        fqdn=EAST,
        vmm_id="",
        site="East",
        address="",
        host_group_path="",
        qos_policies=list(policies),
    )


@pytest.mark.spec("CA-2")
def test_all_that_a_host_sends_to_the_port_shares_the_rate() -> None:
    host = host_with(
        QosPolicy(
            name=NAME, destination_port_start=8084, destination_port_end=8084, bits_per_second=8000
        )
    )
    throttle = Throttle()
    assert throttle.seconds_to_wait(host, 8084, 1000, 10.0) == pytest.approx(1.0)
    assert throttle.seconds_to_wait(host, 8084, 500, 10.2) == pytest.approx(1.3)
    assert throttle.seconds_to_wait(host, 8084, 500, 20.0) == pytest.approx(0.5)
    assert throttle.seconds_to_wait(host, 8083, 10**9, 20.0) == 0.0


@pytest.mark.spec("CA-2")
async def test_replication_is_held_back_by_the_hosts_policy(
    pair: tuple[Shell, Shell], step: Any
) -> None:
    east = pair[0]
    # The disk is filled with 0.75 MiB, which take 1.5 s at half a MiB a second.
    await east.objects(new(step, 4 * 1024**2))
    begun = asyncio.get_running_loop().time()
    await replicate(pair, step)
    assert asyncio.get_running_loop().time() - begun >= 1.4
