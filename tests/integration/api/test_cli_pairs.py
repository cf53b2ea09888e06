"""osr policy update and osr pair show, check, renew-certificates."""

from __future__ import annotations

import json

import pytest
from django.utils import timezone

from coordinator.fabrics.models import Cloud, Host
from coordinator.jobs.models import Job
from coordinator.protection.models import Pairing
from tests.integration.api.programs import Program
from tests.integration.api.scripted_engine import ScriptedEngine
from tests.integration.api.sites import Sites, pair

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("UI-2")]


@pytest.mark.spec("PO-4")
def test_a_policy_is_changed_where_an_option_says_so(program: Program, sites: Sites) -> None:
    pair(sites, timezone.now())
    changed = program.osr("policy", "update", "Policy-1", "--recovery-points", "9", "--json")
    assert changed.returncode == 0, changed.stderr
    details = json.loads(changed.stdout)["properties"]["providerSpecificDetails"]
    assert (details["recoveryPoints"], details["replicationFrequencyInSeconds"]) == (9, 30)
    refused = program.osr("policy", "update", "Policy-1", "--frequency", "60")
    assert refused.returncode == 4
    assert "replicationFrequencyInSeconds" in refused.stderr


@pytest.mark.spec("PA-3", "PO-3")
def test_the_hosts_of_a_pair_are_shown_and_their_certificates_renewed(
    program: Program, sites: Sites
) -> None:
    pair(sites, timezone.now())
    shown = program.osr("pair", "show", "GoldCloud1")
    assert shown.returncode == 0, shown.stderr
    assert "hv1.shanghai.example" in shown.stdout
    assert "Configured" in shown.stdout
    begun = program.osr("pair", "renew-certificates", "GoldCloud1", "--no-wait")
    assert begun.returncode == 0, begun.stderr
    assert Job.objects.filter(scenario="RenewReplicationCertificates").exists()


@pytest.mark.spec("PR-1")
def test_a_pair_is_checked_beforehand(program: Program, sites: Sites) -> None:
    fit = program.osr("pair", "check", "GoldCloud1", "GoldCloud2")
    assert fit.returncode == 0, fit.stderr
    Cloud.objects.filter(pk=sites.gold2.pk).update(
        details={**sites.gold2.details, "capability_profiles": [], "host_group_paths": []}
    )
    unfit = program.osr("pair", "check", "GoldCloud1", "GoldCloud2", "--json")
    assert unfit.returncode == 4
    assert {error["errorCode"] for error in json.loads(unfit.stdout)} == {
        "CapabilityProfileMissing",
        "CloudHasNoHostGroup",
        "CloudHasNoHosts",
    }


@pytest.mark.spec("PO-2", "PA-2")
def test_clouds_are_paired_once_more_for_hosts_of_another_generation(
    program: Program, sites: Sites, engine: ScriptedEngine
) -> None:
    old = ("hv1.shanghai.example", "hv1.beijing.example")
    for host in Host.objects.filter(name__in=old):
        host.details["operating_system_version"] = "6.2.9200"
        host.save()
    for name, version in (("New", "2012R2"), ("Old", "2012"), ("Newer", "2012R2")):
        frequency = "300" if version == "2012" else "30"
        made = program.osr(
            "policy", "create", name, "--host-version", version, "--frequency", frequency
        )
        assert made.returncode == 0, made.stderr
    clouds = ("GoldCloud1", "GoldCloud2")
    for policy in ("New", "Old", "Old"):
        paired = program.osr("pair", "create", *clouds, "--policy", policy)
        assert paired.returncode == 0, paired.stderr
    again = program.osr("pair", "create", *clouds, "--policy", "Newer")
    assert again.returncode == 4
    assert {each.name for each in Pairing.objects.all()} == {
        "GoldCloud1-to-GoldCloud2",
        "GoldCloud1-to-GoldCloud2-Old",
    }
    unclear = program.osr("pair", "show", "GoldCloud1")
    assert unclear.returncode != 0
    assert "GoldCloud1-to-GoldCloud2-Old" in unclear.stderr
    shown = program.osr("pair", "show", "GoldCloud1-to-GoldCloud2-Old", "--json")
    assert {each["name"] for each in json.loads(shown.stdout)} == set(old)
    machine = str(sites.machines[0].name)
    refused = program.osr("protect", "enable", machine, "--policy", "New", "--no-wait")
    assert refused.returncode == 4
    assert "hv1.shanghai.example" in refused.stderr
    # The scripted engine configures no host, as the pairing says that was chosen.
    chosen = program.osr("protect", "enable", machine, "--no-wait")
    assert "not configured for replication by GoldCloud1-to-GoldCloud2-Old" in chosen.stderr


@pytest.mark.spec("PO-1")
def test_a_policy_for_2012_takes_no_other_frequency_than_its_hosts_know(
    program: Program, sites: Sites
) -> None:
    del sites
    wrong = program.osr("policy", "create", "Old", "--host-version", "2012", "--frequency", "30")
    assert wrong.returncode == 2
    assert "300 seconds" in wrong.stderr
    made = program.osr("policy", "create", "Old", "--host-version", "2012", "--json")
    details = json.loads(made.stdout)["properties"]["providerSpecificDetails"]
    assert details["instanceType"] == "HyperVReplica2012"
    changed = program.osr("policy", "update", "Old", "--host-version", "2012R2", "--json")
    details = json.loads(changed.stdout)["properties"]["providerSpecificDetails"]
    assert details["instanceType"] == "HyperVReplica2012R2"
