from __future__ import annotations

from dataclasses import replace

import pytest

from coordinator.protection.policies.rules import InstanceType
from coordinator.protection.rules import (
    DiskFacts,
    MachineFacts,
    host_generation_errors,
    readiness_errors,
)

DISK = DiskFacts(name="disk0", format="VHDX")
READY = MachineFacts(name="GoldVM1", cloud_name="GoldCloud1", state="Running", disks=(DISK,))


@pytest.mark.parametrize("state", ["Running", "PowerOff"])
@pytest.mark.spec("PR-3")
def test_a_machine_that_runs_or_is_off_is_ready(state: str) -> None:
    assert readiness_errors(replace(READY, state=state)) == ()


@pytest.mark.parametrize(
    ("machine", "code"),
    [
        (replace(READY, gone=True), "VirtualMachineNotFound"),
        (replace(READY, cloud_name=""), "VirtualMachineNotInCloud"),
        (replace(READY, replica=True), "VirtualMachineIsReplica"),
        (replace(READY, state="Saved"), "VirtualMachineStateNotSupported"),
        (replace(READY, state=""), "VirtualMachineStateNotSupported"),
        (replace(READY, disks=()), "NoDisk"),
        (replace(READY, disks=(DISK,) * 17), "TooManyDisks"),
        (replace(READY, disks=(replace(DISK, pass_through=True),)), "PassThroughDisk"),
        (replace(READY, disks=(replace(DISK, shared=True),)), "SharedDisk"),
        (replace(READY, disks=(replace(DISK, format="ISO"),)), "DiskFormatNotSupported"),
    ],
)
@pytest.mark.spec("PR-3", "DI-3")
def test_each_reason_against_a_machine_has_a_code_a_cause_and_a_remedy(
    machine: MachineFacts, code: str
) -> None:
    [error] = readiness_errors(machine)
    assert error.code == code
    assert "GoldVM1" in error.message
    assert error.possible_causes
    assert error.recommended_action


def test_sixteen_disks_are_still_enough() -> None:
    assert readiness_errors(replace(READY, disks=(DISK,) * 16)) == ()


def test_all_reasons_are_told_at_once() -> None:
    machine = replace(READY, state="Paused", disks=(replace(DISK, shared=True),))
    codes = [error.code for error in readiness_errors(machine)]
    assert codes == ["VirtualMachineStateNotSupported", "SharedDisk"]


@pytest.mark.parametrize(
    ("version", "instance_type"),
    [
        ("6.2.9200", InstanceType.WINDOWS_2012),
        ("6.3.9600", InstanceType.WINDOWS_2012_R2),
        ("10.0.17763.0", InstanceType.WINDOWS_2012_R2),
    ],
)
@pytest.mark.spec("PO-1", "PO-2")
def test_a_host_fits_the_policy_of_its_generation_only(
    version: str, instance_type: InstanceType
) -> None:
    hosts = (("hv1.shanghai.contoso.com", version),)
    assert host_generation_errors(instance_type, hosts) == ()
    [other] = [one for one in InstanceType if one is not instance_type]
    [error] = host_generation_errors(other, hosts)
    assert "hv1.shanghai.contoso.com" in error.message


@pytest.mark.spec("PO-2")
def test_hosts_older_than_hyper_v_replica_fit_no_policy_and_unknown_ones_are_let_through() -> None:
    hosts = (("old", "6.1.7601"), ("unknown", ""))
    assert [
        error.message.split()[0]
        for error in host_generation_errors(InstanceType.WINDOWS_2012_R2, hosts)
    ] == ["old"]
