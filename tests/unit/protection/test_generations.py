"""Which hosts a pairing covers, by the generation of Windows that they run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.protection.pairing.generations import (
    HostWindows,
    covered,
    covering,
    generation_of,
    machine_generation_failure,
    nothing_fits_errors,
    version_numbers,
)
from coordinator.protection.policies.rules import InstanceType

pytestmark = pytest.mark.spec("PO-2")

OLD, NEW = InstanceType.WINDOWS_2012, InstanceType.WINDOWS_2012_R2
HV2012 = HostWindows(fqdn="hv-2012", version="6.2.9200")
HV2012_R2 = HostWindows(fqdn="hv-2012-r2", version="6.3.9600")
HV2019 = HostWindows(fqdn="hv-2019", version="10.0.17763.0")
HV2008 = HostWindows(fqdn="hv-2008", version="6.1.7601")
UNKNOWN = HostWindows(fqdn="hv-unknown")
MIXED = (HV2012, HV2012_R2, HV2019, HV2008)


@pytest.mark.parametrize(
    ("version", "generation"),
    [
        ("6.1.7601", None),
        ("6.2.9200", OLD),
        ("6.3.9600", NEW),
        ("10.0.14393.0", NEW),
        ("10.0.26100.0", NEW),
        ("", None),
    ],
)
def test_a_windows_version_belongs_to_one_generation(
    version: str, generation: InstanceType | None
) -> None:
    assert generation_of(version) is generation


def test_versions_are_compared_by_number_and_not_by_update() -> None:
    assert version_numbers("10.0.9.0") < version_numbers("10.0.14393.0")
    assert version_numbers("10.0.17763.1") == version_numbers("10.0.17763.9999")
    assert version_numbers("6.3.9600") < version_numbers("10.0.14393")
    assert version_numbers("") == ()


@pytest.mark.parametrize(
    ("instance_type", "names"), [(OLD, {"hv-2012"}), (NEW, {"hv-2012-r2", "hv-2019"})]
)
def test_a_pairing_covers_the_hosts_of_its_generation(
    instance_type: InstanceType, names: set[str]
) -> None:
    assert covered(instance_type, MIXED) == names


@pytest.mark.parametrize(
    ("host", "paired", "expected"),
    [
        (UNKNOWN, [OLD], OLD),
        (UNKNOWN, [NEW], NEW),
        (UNKNOWN, [OLD, NEW], NEW),
        (UNKNOWN, [], None),
        (HV2012, [NEW], None),
        (HV2012, [NEW, OLD], OLD),
        (HV2008, [NEW, OLD], None),
        # What VMM does not tell for a while does not take a host from its pairing.
        (HostWindows(fqdn="h", configured_for=frozenset({OLD})), [NEW, OLD], OLD),
        (HostWindows(fqdn="h", configured_for=frozenset({OLD, NEW})), [NEW, OLD], NEW),
        # The pairing that configured it is gone.
        (HostWindows(fqdn="h", configured_for=frozenset({OLD})), [NEW], NEW),
        (HostWindows(fqdn="h", version="6.3.9600", configured_for=frozenset({OLD})), [OLD], None),
    ],
)
def test_a_host_falls_under_one_of_the_generations_its_clouds_are_paired_for(
    host: HostWindows, paired: list[InstanceType], expected: InstanceType | None
) -> None:
    assert covering(host, paired) is expected


def test_a_node_of_unknown_windows_runs_what_its_cluster_runs() -> None:
    nodes = [
        HostWindows(fqdn="n1", version="6.2.9200", cluster="C1"),
        HostWindows(fqdn="n2", cluster="c1"),
    ]
    assert covered(OLD, nodes, [NEW]) == {"n1", "n2"}
    assert covered(NEW, nodes, [OLD]) == frozenset()


def test_when_nothing_fits_each_host_is_named() -> None:
    errors = nothing_fits_errors(NEW, "GoldCloud1", [HV2012, HV2008])
    assert [error.code for error in errors] == ["HostGenerationNotSupported"] * 2
    assert ["hv-2012" in errors[0].message, "hv-2008" in errors[1].message] == [True, True]
    assert nothing_fits_errors(NEW, "GoldCloud1", MIXED) == ()
    assert nothing_fits_errors(NEW, "GoldCloud1", []) == ()
    [error] = nothing_fits_errors(OLD, "GoldCloud1", [UNKNOWN], [NEW])
    assert (error.code, "hv-unknown" in error.message) == ("HostGenerationNotKnown", True)


def test_a_machine_on_such_a_host_is_refused_by_the_hosts_name() -> None:
    failure = machine_generation_failure("App1", HV2012, ["Silver", "Gold"])
    assert failure.code == "HostGenerationNotSupported"
    for word in ("App1", "hv-2012", "6.2.9200", "Gold, Silver"):
        assert word in failure.message
    assert failure.possible_causes
    assert failure.recommended_action


HOSTS = st.lists(
    st.builds(
        HostWindows,
        fqdn=st.uuids().map(str),
        version=st.sampled_from(["", "6.1.7601", "6.2.9200", "6.3.9600", "10.0.20348.0"]),
        cluster=st.sampled_from(["", "c1", "c2"]),
        configured_for=st.frozensets(st.sampled_from([OLD, NEW])),
    ),
    max_size=8,
)


@given(HOSTS)
def test_no_host_is_covered_by_two_pairings_and_known_ones_by_their_own(
    hosts: list[HostWindows],
) -> None:
    old, new = covered(OLD, hosts, [NEW]), covered(NEW, hosts, [OLD])
    assert not old & new
    for host in hosts:
        if host.version:
            assert (host.fqdn in old) == (generation_of(host.version) is OLD)
            assert (host.fqdn in new) == (generation_of(host.version) is NEW)
        elif not host.cluster:
            assert host.fqdn in old | new
