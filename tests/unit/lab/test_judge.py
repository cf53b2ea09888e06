"""The judge, on journals written by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deploy.lab.judge import (
    Copy,
    double_running_seconds,
    owners_wrong,
    running_intervals,
    started_from_unknown_disks,
)
from deploy.lab.site.effects import SITE_LOST_POWER, Effect

START = datetime(2026, 7, 1, 12, tzinfo=UTC)
HOSTS = {"Shanghai": "sh1", "Beijing": "bj1"}
pytestmark = pytest.mark.spec("FO-7")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def effect(seconds: float, site: str, what: str, target: str = "vm", **details: Any) -> Effect:
    return Effect(
        at=at(seconds).isoformat(),
        site=site,
        host=str(details.pop("host", HOSTS[site])),
        effect=what,
        target=target,
        command_id=None,
        details=details,
    )


def started(seconds: float, site: str, *, switch: str | None = "net", **more: Any) -> Effect:
    return effect(seconds, site, "vm.started", switches={"nic": switch}, test_vm=False, **more)


def double(*effects: Effect, until: float = 100) -> float:
    return double_running_seconds(effects, at(until))


def test_two_copies_that_run_at_once_are_seen_for_as_long_as_they_do() -> None:
    effects = [
        started(0, "Shanghai"),
        started(10, "Beijing"),
        effect(14, "Shanghai", "vm.turned_off"),
    ]
    assert double(*effects) == 4


def test_one_after_the_other_is_well() -> None:
    effects = [
        started(0, "Shanghai"),
        effect(10, "Shanghai", "vm.stopped"),
        started(10, "Beijing"),
    ]
    assert double(*effects) == 0


def test_without_an_end_they_run_until_now() -> None:
    assert double(started(0, "Shanghai"), started(90, "Beijing")) == 10


def test_a_cut_of_power_ends_everything_at_its_site() -> None:
    effects = [
        started(0, "Shanghai"),
        effect(5, "Shanghai", SITE_LOST_POWER, "Shanghai", host=""),
        started(6, "Beijing"),
    ]
    assert double(*effects) == 0


def test_a_site_that_boots_had_nothing_running_whoever_cut_its_power() -> None:
    effects = [
        started(0, "Shanghai"),
        effect(20, "Shanghai", "site.booted", "Shanghai", host="vmm"),
        started(30, "Beijing"),
    ]
    assert double(*effects) == 0


def test_a_machine_that_starts_by_itself_when_its_site_returns_is_caught() -> None:
    effects = [
        started(0, "Shanghai"),
        effect(5, "Shanghai", SITE_LOST_POWER, "Shanghai", host=""),
        started(6, "Beijing"),
        effect(20, "Shanghai", "site.booted", "Shanghai", host="vmm"),
        started(21, "Shanghai"),
        effect(23, "Shanghai", "network_adapter.disconnected", adapter="nic", switch=None),
    ]
    assert double(*effects) == 2


def test_a_host_that_crashes_ends_its_own_machines_only() -> None:
    effects = [
        started(0, "Shanghai"),
        effect(1, "Shanghai", "host.crashed", "sh1"),
        started(2, "Beijing"),
        effect(3, "Beijing", "host.crashed", "bj2", host="bj2"),
    ]
    assert [(each.copy.site, each.ends) for each in running_intervals(effects)] == [
        ("Shanghai", at(1)),
        ("Beijing", None),
    ]


def test_a_copy_that_is_connected_to_nothing_does_not_count_until_it_is_connected() -> None:
    effects = [
        started(0, "Shanghai"),
        started(10, "Beijing", switch=None),
        effect(95, "Beijing", "network_adapter.connected", adapter="nic", switch="net"),
    ]
    assert double(*effects) == 5


def test_test_machines_and_test_networks_do_not_count() -> None:
    test_machine = effect(
        1, "Beijing", "vm.started", switches={"nic": "net"}, test_vm=True, host="bj2"
    )
    assert double(started(0, "Shanghai"), test_machine) == 0
    in_test_network = started(1, "Beijing", switch="test net")
    seconds = double_running_seconds(
        [started(0, "Shanghai"), in_test_network], at(9), test_switches=["test net"]
    )
    assert seconds == 0


def test_a_machine_that_moves_to_another_host_is_one_copy() -> None:
    effects = [
        started(0, "Shanghai"),
        effect(5, "Shanghai", "vm.migrated", host="sh2", **{"from": "sh1"}),
    ]
    assert double(*effects) == 0
    assert owners_wrong(effects, {"vm": "Shanghai"}) == {}


def test_a_failover_that_is_cancelled_turns_its_copy_off() -> None:
    effects = [
        started(0, "Beijing"),
        effect(5, "Beijing", "failover.cancelled", mode="Replica"),
        started(6, "Shanghai"),
    ]
    assert double(*effects) == 0


def test_preparations_taken_back_leave_a_machine_that_is_off_as_it_is() -> None:
    effects = [
        effect(5, "Shanghai", "failover.cancelled", mode="Primary"),
        started(6, "Shanghai"),
    ]
    assert owners_wrong(effects, {"vm": "Shanghai"}) == {}


def test_owners_are_wrong_when_none_runs_two_do_or_one_elsewhere() -> None:
    here, there = started(0, "Shanghai"), started(1, "Beijing")
    shanghai, beijing = (Copy("vm", site, host) for site, host in HOSTS.items())
    assert owners_wrong([here], {"vm": "Shanghai"}) == {}
    assert owners_wrong([here], {"vm": ""}) == {}
    assert owners_wrong([started(0, "Shanghai", switch=None)], {"vm": ""}) == {}
    assert owners_wrong([here], {"vm": "Beijing"}) == {"vm": [shanghai]}
    assert owners_wrong([here, there], {"vm": "Beijing"}) == {"vm": [shanghai, beijing]}
    assert owners_wrong([], {"vm": ""}) == {"vm": []}


def test_a_failed_over_copy_starts_with_the_disks_of_its_recovery_point() -> None:
    failover = effect(0, "Beijing", "failover.started", digests={"disk": "aa"})
    well = effect(1, "Beijing", "vm.started", boot_digests={"disk": "aa"})
    wrong = effect(1, "Beijing", "vm.started", boot_digests={"disk": "bb"})
    later = effect(2, "Beijing", "vm.started", boot_digests={"disk": "cc"})
    assert started_from_unknown_disks([failover, well, later]) == []
    assert started_from_unknown_disks([failover, wrong]) == [wrong]
