"""Operations that no story of the other files needs, each carried out by Microsoft's client."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError
from azure.mgmt.recoveryservicessiterecovery import models as asr
from django.utils import timezone
from opensiterecovery.provider.v1.replication_pb2 import ReplicationState

from coordinator.fabrics.models import Provider
from coordinator.jobs.models import Job
from coordinator.protection.models import (
    PairedHost,
    Pairing,
    Policy,
    ProtectedItem,
    ReplicationSide,
)
from tests.integration.api.programs import Program, error_of
from tests.integration.api.scripted_engine import ScriptedEngine
from tests.integration.api.sites import Sites, add_networks, make_plan, pair, protect
from tests.integration.api.test_operations import where

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("AP-1")]


@pytest.fixture
def pairing(sites: Sites) -> Pairing:
    return pair(sites, timezone.now())


@pytest.fixture
def item(sites: Sites, pairing: Pairing) -> ProtectedItem:
    add_networks(sites)
    return protect(pairing, sites.machines[0], timezone.now())


def test_items_and_pairs_are_listed_by_cloud(
    program: Program, sites: Sites, item: ProtectedItem
) -> None:
    client, cloud = program.site_recovery, where(program, sites)
    items = client.replication_protected_items
    listed = items.list_by_replication_protection_containers(*cloud)
    assert [each.name for each in listed] == [item.name]
    pairs = client.replication_protection_container_mappings
    listed_pairs = pairs.list_by_replication_protection_containers(*cloud)
    assert [each.name for each in listed_pairs] == ["Pair-1"]
    other = (*program.scope, sites.beijing.name, sites.gold2.external_id)
    assert list(items.list_by_replication_protection_containers(*other)) == []


@pytest.mark.spec("RP-5")
def test_a_plan_is_tested_and_cleaned_up(
    program: Program, sites: Sites, item: ProtectedItem, engine: ScriptedEngine
) -> None:
    make_plan(sites, "shop", [[item]], timezone.now())
    plans = program.site_recovery.replication_recovery_plans
    tested = plans.begin_test_failover(
        *program.scope,
        "shop",
        asr.RecoveryPlanTestFailoverInput(
            properties=asr.RecoveryPlanTestFailoverInputProperties(
                failover_direction="PrimaryToRecovery", network_type="NoNetworkAttachAsInput"
            )
        ),
    ).result()
    assert tested.name == "shop"
    cleaned = plans.begin_test_failover_cleanup(
        *program.scope,
        "shop",
        asr.RecoveryPlanTestFailoverCleanupInput(
            properties=asr.RecoveryPlanTestFailoverCleanupInputProperties(comments="Well.")
        ),
    ).result()
    assert cleaned.properties.friendly_name == "shop"


def renewal(kind: str | None = "Cloud") -> asr.RenewCertificateInput:
    return asr.RenewCertificateInput(
        properties=asr.RenewCertificateInputProperties(renew_certificate_type=kind)
    )


@pytest.mark.spec("PO-3")
@pytest.mark.parametrize("kind", ["Cloud", "cloud", None])
def test_all_hosts_of_a_server_get_new_certificates(
    program: Program, sites: Sites, pairing: Pairing, engine: ScriptedEngine, kind: str | None
) -> None:
    fabrics = program.site_recovery.replication_fabrics
    answer = fabrics.begin_renew_certificate(
        *program.scope, sites.shanghai.name, renewal(kind)
    ).result()
    assert answer.name == sites.shanghai.name
    job = Job.objects.get(scenario="RenewReplicationCertificates")
    assert (job.target_type, job.target_name) == ("Server", "VMM-Shanghai")
    # Those of the other server keep theirs.
    assert job.arguments["names"] == ["hv1.shanghai.example", "hv2.shanghai.example"]
    keys = list(job.steps.values_list("key", flat=True))
    assert [key for key in keys if key.startswith("configure/")] == [
        "configure/hv1.shanghai.example",
        "configure/hv2.shanghai.example",
    ]


def with_kerberos(sites: Sites) -> None:
    del sites
    Policy.objects.update(authentication_type="Kerberos")


def unpaired(sites: Sites) -> None:
    del sites
    PairedHost.objects.all().delete()


def away(sites: Sites) -> None:
    Provider.objects.filter(fabric=sites.shanghai).update(last_heartbeat_at=None)


def on_two_ports(sites: Sites) -> None:
    """The second host is in a pair of its own, under a policy with another port."""
    other = Policy.objects.get()
    other.pk, other.name, other.replication_port = None, "Policy-2", 9000
    other._state.adding = True
    other.save()
    pairing = Pairing.objects.get()
    pairing.pk, pairing.name, pairing.policy, pairing.instance_type = (
        None,
        "Pair-2",
        other,
        "HyperVReplica2012",
    )
    pairing._state.adding = True
    pairing.save()
    PairedHost.objects.filter(host__name="hv2.shanghai.example").update(pairing=pairing)


@pytest.mark.spec("PO-3")
@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (with_kerberos, "NoCertificatesInUse"),
        (unpaired, "NoCertificatesInUse"),
        (away, "ProviderNotConnected"),
        (on_two_ports, "CertificatesOfSeveralPorts"),
    ],
)
def test_certificates_that_cannot_be_renewed_are_not(
    program: Program, sites: Sites, pairing: Pairing, trouble: Callable[[Sites], None], code: str
) -> None:
    trouble(sites)
    with pytest.raises(ResourceExistsError) as refused:
        program.site_recovery.replication_fabrics.begin_renew_certificate(
            *program.scope, sites.shanghai.name, renewal()
        ).result()
    assert error_of(refused.value)["code"] == code
    assert not Job.objects.exists()


def test_another_kind_of_certificate_is_refused(program: Program, sites: Sites) -> None:
    with pytest.raises(HttpResponseError) as refused:
        program.site_recovery.replication_fabrics.begin_renew_certificate(
            *program.scope, sites.shanghai.name, renewal("Vault")
        ).result()
    assert error_of(refused.value)["code"] == "InvalidCertificateType"


LISTS = [
    "replicationFabrics",
    "replicationRecoveryServicesProviders",
    "replicationProtectionContainers",
    "replicationProtectionContainerMappings",
    "replicationProtectedItems",
    "replicationPolicies",
    "replicationNetworks",
    "replicationNetworkMappings",
    "replicationStorageClassifications",
    "replicationStorageClassificationMappings",
    "replicationRecoveryPlans",
    "replicationJobs",
    "replicationEvents",
    "replicationVaultSettings",
    "registrationKeys",
]


@pytest.mark.parametrize("word", ["$skipToken", "skipToken"])
def test_every_list_understands_both_spellings_of_the_page(
    program: Program, sites: Sites, word: str
) -> None:
    version = {"api-version": "2025-08-01"}
    for name in LISTS:
        path = f"{program.vault_path}/{name}"
        strange = program.send("GET", path, params={**version, word: "made-up"})
        assert strange.status_code == 400, name
        assert strange.json()["error"]["code"] == "InvalidSkipToken"
        # base64 of "from:1000".
        late = program.send("GET", path, params={**version, word: "ZnJvbToxMDAw"})
        assert late.json() == {"value": [], "nextLink": None}, name


@pytest.mark.parametrize(
    ("tail", "filters"),
    [
        ("replicationJobs", "colour eq 'red'"),
        ("replicationEvents", "colour eq 'red'"),
        ("replicationEvents", "severity eq 'red'"),
        ("replicationProtectedItems", "colour eq 'red'"),
        ("{cloud}/replicationProtectableItems", "colour eq 'red'"),
        ("{cloud}/replicationProtectableItems", "state eq 'Red'"),
        ("replicationJobs", "jobStatus ne 'Failed'"),
    ],
)
def test_a_filter_that_is_not_known_is_refused(
    program: Program, sites: Sites, tail: str, filters: str
) -> None:
    cloud = (
        f"replicationFabrics/{sites.shanghai.name}"
        f"/replicationProtectionContainers/{sites.gold1.external_id}"
    )
    answer = program.send(
        "GET",
        f"{program.vault_path}/{tail.format(cloud=cloud)}",
        params={"api-version": "2025-08-01", "$filter": filters},
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "InvalidFilter"


def test_items_are_filtered_by_asrs_names(
    program: Program, sites: Sites, item: ProtectedItem
) -> None:
    make_plan(sites, "shop", [[item]], timezone.now())
    items = program.site_recovery.replication_protected_items
    for filters, found in (
        (f"SourceFabricName eq '{sites.shanghai.name}'", True),
        (f"sourceFabricName eq '{sites.beijing.name}'", False),
        ("RecoveryPlanName eq 'SHOP' and instanceType eq 'HyperVReplica2012R2'", True),
        ("instanceType eq 'HyperVReplica2012'", False),
        ("vCenterName eq 'x'", False),
        ("multiVmGroupCreateOption eq 'AutoCreated'", False),
        ("sourceFabricLocation eq 'westeurope'", False),
    ):
        listed = [each.name for each in items.list(*program.scope, filter=filters)]
        assert listed == ([item.name] if found else []), filters


@pytest.mark.spec("RE-5")
def test_a_disk_is_taken_out_of_replication(
    program: Program, sites: Sites, item: ProtectedItem, engine: ScriptedEngine
) -> None:
    state = ReplicationState(mode="Primary", state="Replicating", vm_state="Running")
    for path in ("C:\\Disks\\one.vhdx", "C:\\Disks\\two.vhdx"):
        state.disks.add(path=path, replicated=True)
    ReplicationSide.objects.create(
        item=item,
        location="Primary",
        mode=state.mode,
        state=state.state,
        observed=state.SerializeToString(),
        observed_at=timezone.now(),
        rpo_span=0,
    )
    # Microsoft's package has no class of disks of Hyper-V, and takes JSON.
    disks = {"instanceType": "HyperVReplica2012R2", "vhdIds": ["C:\\Disks\\two.vhdx"]}
    answer = program.site_recovery.replication_protected_items.begin_remove_disks(
        *where(program, sites), item.name, {"properties": {"providerSpecificDetails": disks}}
    ).result()
    assert answer.name == item.name
    assert Job.objects.get().scenario == "ChangeReplicatedDisks"
