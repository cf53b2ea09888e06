"""What keeps a machine from being protected, beyond its state and its disks."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.protection.discovery.readiness import (
    DiskFacts,
    MachineFacts,
    readiness_errors,
    readiness_warnings,
)

READY = MachineFacts(
    name="GoldVM1",
    cloud_name="GoldCloud1",
    state="Running",
    vm_id="0f1c6f1e-9d0a-4b60-9e0f-0d9c7f3e2a11",
    disks=(DiskFacts(name="disk0", format="VHDX"),),
    integration_services=True,
    host="hv1.shanghai.contoso.com",
    host_version="10.0.17763.0",
    cloud_paired=True,
)


def test_a_machine_of_which_everything_is_known_and_right_is_ready() -> None:
    assert readiness_errors(READY) == ()
    assert readiness_warnings(READY) == ()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"vm_id": ""}, "VirtualMachineIdMissing"),
        ({"vm_id": "00000000-0000-0000-0000-000000000000"}, "VirtualMachineIdMissing"),
        ({"cloud_paired": False}, "CloudNotPaired"),
        ({"runs_vmm": True}, "VirtualMachineRunsVmm"),
        ({"fibre_channel": True}, "FibreChannelAdapter"),
        ({"encrypted": True}, "EncryptedVirtualMachine"),
        ({"guest_ipv6": True}, "GuestIPv6"),
        ({"pass_through": True}, "PassThroughDisk"),
        ({"shared_storage": True}, "SharedDisk"),
        ({"host_version": "6.1.7601"}, "HostTooOld"),
    ],
)
@pytest.mark.spec("PR-3", "DI-3", "SS-2")
def test_each_reason_has_a_code_a_cause_and_a_remedy(change: dict[str, object], code: str) -> None:
    [error] = readiness_errors(replace(READY, **change))  # type: ignore[arg-type] # values fit their fields
    assert error.code == code
    assert "GoldVM1" in error.message
    assert error.possible_causes
    assert error.recommended_action


@pytest.mark.parametrize("version", ["6.2.9200", "6.3.9600", "10.0.26100.0", ""])
@pytest.mark.spec("PR-1")
def test_hosts_from_windows_server_2012_on_and_unknown_ones_will_do(version: str) -> None:
    assert readiness_errors(replace(READY, host_version=version)) == ()


@pytest.mark.spec("PR-3")
def test_a_disk_that_is_listed_and_flagged_is_told_of_once() -> None:
    disk = DiskFacts(name="lun", format="", pass_through=True, shared=True)
    machine = replace(READY, disks=(disk,), pass_through=True, shared_storage=True)
    assert [error.code for error in readiness_errors(machine)] == ["PassThroughDisk", "SharedDisk"]


def test_missing_integration_services_only_warn() -> None:
    machine = replace(READY, integration_services=False)
    assert readiness_errors(machine) == ()
    [warning] = readiness_warnings(machine)
    assert warning.code == "IntegrationServicesMissing"
    assert readiness_warnings(replace(READY, integration_services=None)) == ()


FLAGS = [each.name for each in fields(MachineFacts) if each.default is False]


@given(st.sets(st.sampled_from(FLAGS)), st.booleans())
@pytest.mark.spec("DI-3")
def test_every_flag_that_is_set_adds_a_reason_of_its_own(flags: set[str], paired: bool) -> None:
    machine = replace(READY, cloud_paired=paired, **dict.fromkeys(flags, True))  # type: ignore[arg-type] # flags are booleans
    codes = [error.code for error in readiness_errors(machine)]
    assert len(codes) == len(set(codes)) == len(flags) + (not paired)
