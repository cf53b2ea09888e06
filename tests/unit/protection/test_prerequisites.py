from __future__ import annotations

from dataclasses import replace

import pytest

from coordinator.protection.pairing.prerequisites import (
    CloudFacts,
    HostFacts,
    broker_failure,
    cloud_failures,
    missing_updates_failure,
    pair_failures,
    wanted_updates,
)
from coordinator.protection.policies.rules import InstanceType

R2 = InstanceType.WINDOWS_2012_R2
HV1 = HostFacts(fqdn="hv1.sh", operating_system_version="10.0.17763.0")
GOLD = CloudFacts(
    name="Gold",
    server="VMM-Shanghai",
    vmm_version="10.19.2591.0",
    clouds_of_server=1,
    servers=2,
    profiles=("Hyper-V",),
    host_groups=("All Hosts\\Gold",),
    hosts=(HV1,),
    machines=1,
)
TARGET = replace(GOLD, name="Gold2", hosts=(replace(HV1, fqdn="hv1.bj"),), machines=0, source=False)


@pytest.mark.spec("PR-1", "PR-2")
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"vmm_version": "3.0.6005.0"}, "VmmVersionNotSupported"),
        ({"servers": 1}, "SecondCloudMissing"),
        ({"profiles": ()}, "CapabilityProfileMissing"),
        ({"host_groups": ()}, "CloudHasNoHostGroup"),
        ({"hosts": ()}, "CloudHasNoHosts"),
        ({"machines": 0}, "CloudHasNoMachines"),
        (
            {"hosts": (replace(HV1, operating_system_version="6.1.7601"),)},
            "HostVersionNotSupported",
        ),
        ({"hosts": (replace(HV1, cluster="c1.sh"),)}, "ReplicaBrokerMissing"),
    ],
)
def test_each_prerequisite_that_is_not_met_is_told_with_four_things(
    change: dict[str, object], code: str
) -> None:
    changed = replace(GOLD, **change)  # type: ignore[arg-type]  # fields of CloudFacts
    [failure] = cloud_failures(changed)
    assert failure.code == code
    assert failure.message
    assert failure.possible_causes
    assert failure.recommended_action


@pytest.mark.spec("PR-1")
@pytest.mark.parametrize(
    "version",
    [
        # 2012 SP1, 2012 R2, 2016, 2019, 2022, 2025, not known.
        "3.1.6011.0",
        "3.2.7510.0",
        "4.0.2043.0",
        "10.19.1013.0",
        "10.22.1287.0",
        "10.25.1.0",
        "",
    ],
)
def test_vmm_2012_sp1_and_later_are_fit(version: str) -> None:
    assert cloud_failures(replace(GOLD, vmm_version=version)) == ()


@pytest.mark.spec("PR-1")
def test_a_single_server_with_two_clouds_is_fit() -> None:
    assert cloud_failures(replace(GOLD, servers=1, clouds_of_server=2)) == ()


@pytest.mark.spec("PR-1")
def test_a_cloud_to_recover_in_needs_no_machines() -> None:
    assert pair_failures(GOLD, TARGET, R2) == ()


@pytest.mark.spec("PR-1", "PO-2")
def test_everything_that_is_wrong_is_told_at_once() -> None:
    old = replace(HV1, fqdn="old.bj", operating_system_version="6.2.9200")
    found = pair_failures(
        replace(GOLD, profiles=(), machines=0),
        replace(
            TARGET, vmm_version="2.0", hosts=(old, replace(HV1, operating_system_version="6.2"))
        ),
        R2,
    )
    assert [failure.code for failure in found] == [
        "CapabilityProfileMissing",
        "CloudHasNoMachines",
        "VmmVersionNotSupported",
        "CloudsShareHost",
        "HostGenerationNotSupported",
        "HostGenerationNotSupported",
    ]
    assert "old.bj" in found[-2].message
    assert HV1.fqdn in found[-1].message


@pytest.mark.spec("PO-2")
def test_hosts_and_clusters_of_another_generation_keep_no_clouds_from_being_paired() -> None:
    old = replace(HV1, fqdn="old.sh", operating_system_version="6.2.9200", cluster="old-c.sh")
    assert pair_failures(replace(GOLD, hosts=(old, HV1)), TARGET, R2) == ()
    found = pair_failures(replace(GOLD, hosts=(old, HV1)), TARGET)
    assert [failure.code for failure in found] == ["ReplicaBrokerMissing"]


@pytest.mark.spec("PO-2")
def test_hosts_of_unknown_windows_are_nobodys_beside_a_newer_policy() -> None:
    unknown = replace(HV1, fqdn="unknown.sh", operating_system_version="")
    clouds = (
        replace(GOLD, hosts=(unknown,)),
        replace(TARGET, hosts=(replace(unknown, fqdn="u.bj"),)),
    )
    assert pair_failures(*clouds, InstanceType.WINDOWS_2012) == ()
    found = pair_failures(*clouds, InstanceType.WINDOWS_2012, [R2])
    assert [failure.code for failure in found] == ["HostGenerationNotKnown"] * 2


@pytest.mark.spec("PR-2")
def test_a_cluster_without_a_broker_is_told_once_whatever_its_number_of_nodes() -> None:
    nodes = tuple(replace(HV1, fqdn=f"n{number}.sh", cluster="c1.sh") for number in range(4))
    [failure] = cloud_failures(replace(GOLD, hosts=nodes))
    assert failure.code == "ReplicaBrokerMissing"
    assert "c1.sh" in failure.message


@pytest.mark.spec("PR-2")
def test_with_a_static_address_on_2012_the_broker_is_said_to_be_made_by_hand() -> None:
    assert "static" in broker_failure("c1.sh", "6.2.9200").possible_causes[1]
    assert "static" not in broker_failure("c1.sh", "6.3.9600").possible_causes[1]


@pytest.mark.spec("PR-2")
@pytest.mark.parametrize(
    ("clustered", "version", "wanted"),
    [
        (True, "6.3.9600", ("KB2961977",)),
        (False, "6.3.9600", ()),
        (True, "6.2.9200", ()),
        (True, "10.0.14393.0", ()),
        (True, "", ()),
    ],
)
def test_update_2961977_is_wanted_on_clusters_of_2012_r2_only(
    clustered: bool, version: str, wanted: tuple[str, ...]
) -> None:
    assert wanted_updates(clustered=clustered, versions=[version]) == wanted


@pytest.mark.spec("PR-2")
def test_missing_updates_are_named_with_their_hosts() -> None:
    assert missing_updates_failure([]) is None
    failure = missing_updates_failure(["KB2961977 on n1.sh"])
    assert failure is not None
    assert "KB2961977 on n1.sh" in failure.message
