"""osr policy update and osr pair show, check, renew-certificates."""

from __future__ import annotations

import json

import pytest
from django.utils import timezone

from coordinator.fabrics.models import Cloud
from coordinator.jobs.models import Job
from tests.integration.api.programs import Program
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
