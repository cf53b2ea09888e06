"""Removing a server from its vault, with Microsoft's client and with osr."""

from __future__ import annotations

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from django.utils import timezone

from coordinator.fabrics.certificates import check_certificate
from coordinator.fabrics.models import (
    Cloud,
    Fabric,
    FabricObject,
    Host,
    Provider,
    VirtualMachine,
)
from coordinator.failures import RefusedError
from coordinator.jobs.models import Job
from coordinator.protection.models import (
    BandwidthLimit,
    HostBandwidth,
    NetworkMapping,
    StorageMapping,
)
from tests.integration.api.programs import Program, error_of
from tests.integration.api.sites import Sites, add_network, pair, protect

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.spec("EN-8", "PV-1"),
    pytest.mark.usefixtures("engine"),
]


def is_gone(fabric: Fabric) -> bool:
    """Its certificate is refused, and nothing is kept of what it told."""
    provider = Provider.objects.get(fabric=fabric)
    with pytest.raises(RefusedError) as refused:
        check_certificate(provider, provider.certificate_serial)
    assert refused.value.failure.code == "ProviderUnregistered"
    fabric.refresh_from_db()
    assert fabric.friendly_name == fabric.name
    tables = (Cloud, Host, VirtualMachine, FabricObject)
    return not any(table.objects.filter(fabric=fabric).exists() for table in tables)


def test_a_removed_server_is_gone_with_all_that_is_known_of_it(
    program: Program, sites: Sites
) -> None:
    add_network(sites.shanghai, "sh1", "VMNetwork1", "LogicalNetwork1")
    Fabric.objects.update(followed_revision=5)
    fabrics = program.site_recovery.replication_fabrics
    fabrics.begin_delete(*program.scope, sites.shanghai.name).result()
    assert is_gone(sites.shanghai)
    assert (sites.shanghai.inventory_revision, sites.shanghai.followed_revision) == (0, 0)
    names = [each.properties.friendly_name for each in fabrics.list(*program.scope)]
    assert names == ["VMM-Beijing"]
    with pytest.raises(ResourceNotFoundError):
        fabrics.get(*program.scope, sites.shanghai.name)
    job = Job.objects.get(scenario="UnregisterFabric")
    assert job.target_name == "VMM-Shanghai"
    assert Cloud.objects.filter(fabric=sites.beijing).exists()


def test_a_server_that_is_away_is_removed_too(program: Program, sites: Sites) -> None:
    Provider.objects.filter(fabric=sites.shanghai).update(disconnected_at=timezone.now())
    fabrics = program.site_recovery.replication_fabrics
    fabrics.begin_purge(*program.scope, sites.shanghai.name).result()
    assert is_gone(sites.shanghai)
    fabrics.begin_purge(*program.scope, sites.shanghai.name).result()


@pytest.mark.parametrize("operation", ["begin_delete", "begin_purge"])
def test_removing_the_provider_removes_its_server(
    program: Program, sites: Sites, operation: str
) -> None:
    providers = program.site_recovery.replication_recovery_services_providers
    remove = getattr(providers, operation)
    remove(*program.scope, sites.shanghai.name, sites.shanghai.name).result()
    assert is_gone(sites.shanghai)


def use_everything(sites: Sites) -> None:
    """Something of every kind that keeps Beijing from being removed."""
    now = timezone.now()
    protect(pair(sites, now), sites.machines[0], now)
    NetworkMapping.objects.create(
        vault=sites.vault,
        name="networks",
        source_fabric=sites.shanghai,
        source_network_id="sh1",
        source_network="VMNetwork1",
        target_fabric=sites.beijing,
        target_network_id="bj1",
        target_network="VMNetwork1",
        state="Paired",
        created_at=now,
        changed_at=now,
    )
    StorageMapping.objects.create(
        vault=sites.vault,
        name="storage",
        source_fabric=sites.shanghai,
        source_external_id="gold",
        target_fabric=sites.beijing,
        target_external_id="gold",
        created_at=now,
    )
    BandwidthLimit.objects.create(
        vault=sites.vault, fabric=sites.beijing, name="nights", time_zone="UTC", changed_at=now
    )
    host = Host.objects.get(name="hv1.beijing.example")
    HostBandwidth.objects.create(host=host, limits={"8084": 1000}, applied_at=now)


@pytest.mark.parametrize(
    ("operation", "place", "left"),
    [
        (
            "begin_delete",
            "beijing",
            ["GoldVM1", "networks", "storage", "pairing", "nights", "hv1.beijing.example"],
        ),
        ("begin_purge", "shanghai", ["GoldVM1", "networks", "storage", "pairing"]),
    ],
)
def test_a_server_in_use_is_not_removed_and_what_is_left_is_named(
    program: Program, sites: Sites, operation: str, place: str, left: list[str]
) -> None:
    use_everything(sites)
    fabric: Fabric = getattr(sites, place)
    remove = getattr(program.site_recovery.replication_fabrics, operation)
    with pytest.raises(HttpResponseError) as refused:
        remove(*program.scope, fabric.name)
    assert refused.value.status_code == 409
    error = error_of(refused.value)
    assert error["code"] == "ServerInUse"
    assert [each for each in left if each not in str(error["message"])] == []
    assert not Job.objects.exists()
    assert Provider.objects.filter(unregistered_at=None).count() == 2
    assert Host.objects.filter(fabric=fabric).exists()


def test_purging_is_not_kept_by_a_limit_that_a_host_still_keeps_to(
    program: Program, sites: Sites
) -> None:
    host = Host.objects.get(name="hv1.beijing.example")
    HostBandwidth.objects.create(host=host, limits={"8084": 1000}, applied_at=timezone.now())
    fabrics = program.site_recovery.replication_fabrics
    with pytest.raises(HttpResponseError) as refused:
        fabrics.begin_delete(*program.scope, sites.beijing.name)
    assert "hv1.beijing.example still keeps to" in str(error_of(refused.value)["message"])
    fabrics.begin_purge(*program.scope, sites.beijing.name).result()
    assert is_gone(sites.beijing)


@pytest.mark.spec("UI-2")
def test_osr_asks_for_the_name_before_it_removes_a_server(program: Program, sites: Sites) -> None:
    refused = program.osr("server", "remove", "VMM-Shanghai", typed="no\n")
    assert refused.returncode == 4
    assert '"VMM-Shanghai" was not typed' in refused.stderr
    assert Provider.objects.filter(unregistered_at=None).count() == 2
    removed = program.osr("server", "remove", "VMM-Shanghai", "--yes")
    assert removed.returncode == 0, removed.stderr
    assert "Delete server of VMM-Shanghai succeeded" in removed.stdout
    assert is_gone(sites.shanghai)
    gone = program.osr("server", "remove", "VMM-Shanghai", "--yes")
    assert gone.returncode == 5
