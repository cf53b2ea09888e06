"""Updating a protected item: what is so may be said again, what is decided elsewhere is refused."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.recoveryservicessiterecovery import models as asr
from django.utils import timezone

from coordinator.jobs.models import Job
from coordinator.protection.models import ItemAdapter, ProtectedItem
from tests.integration.api.programs import Program, error_of
from tests.integration.api.sites import Sites, pair, protect
from tests.integration.api.test_operations import where

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("AP-1", "AP-2")]


@pytest.fixture
def item(sites: Sites) -> ProtectedItem:
    now = timezone.now()
    made = protect(pair(sites, now), sites.machines[0], now)
    ItemAdapter.objects.create(
        item=made,
        device_id="nic-1",
        target_network_id="bj1",
        target_network="VMNetwork1-Beijing",
        target_subnet="Frontend",
        address="10.1.0.15",
        reserved=True,
    )
    return made


def update(program: Program, sites: Sites, name: str, **wanted: Any) -> Any:
    properties = asr.UpdateReplicationProtectedItemInputProperties(**wanted)
    return program.site_recovery.replication_protected_items.begin_update(
        *where(program, sites), name, asr.UpdateReplicationProtectedItemInput(properties=properties)
    ).result()


def nic(**wanted: Any) -> asr.VMNicInputDetails:
    return asr.VMNicInputDetails(nic_id="nic-1", **wanted)


def test_what_was_read_may_be_said_again(
    program: Program, sites: Sites, item: ProtectedItem
) -> None:
    [shown] = update(program, sites, item.name).properties.provider_specific_details.vm_nics
    [address] = shown.ip_configs
    again = update(
        program,
        sites,
        item.name,
        recovery_azure_vm_name="goldvm1",
        license_type="NotSpecified",
        selected_source_nic_id="nic-1",
        vm_nics=[
            nic(
                selection_type=shown.selection_type,
                ip_configs=[
                    asr.IPConfigInputDetails(
                        recovery_subnet_name=address.recovery_subnet_name,
                        recovery_static_ip_address=address.recovery_static_ip_address,
                    )
                ],
            )
        ],
        provider_specific_details=asr.UpdateReplicationProtectedItemProviderInput(
            instance_type="HyperVReplica2012R2"
        ),
    )
    assert again.name == item.name
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("wanted", "field", "remedy"),
    [
        ({"recovery_azure_vm_name": "Other"}, "recoveryAzureVMName", "name and size"),
        ({"recovery_azure_vm_size": "Standard_D2"}, "recoveryAzureVMSize", "Azure"),
        ({"license_type": "WindowsServer"}, "licenseType", "Azure"),
        (
            {"selected_recovery_azure_network_id": "/x"},
            "selectedRecoveryAzureNetworkId",
            "replicationNetworkMappings",
        ),
        ({"vm_nics": [nic(selection_type="NotSelected")]}, "selectionType", "map the network"),
        (
            {
                "vm_nics": [
                    nic(
                        ip_configs=[asr.IPConfigInputDetails(recovery_static_ip_address="10.9.9.9")]
                    )
                ]
            },
            "recoveryStaticIPAddress",
            "static address pool",
        ),
        (
            {"provider_specific_details": asr.A2AUpdateReplicationProtectedItemInput()},
            "instanceType",
            "Azure",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_would_change_something_says_where_that_is_decided(
    program: Program,
    sites: Sites,
    item: ProtectedItem,
    wanted: dict[str, Any],
    field: str,
    remedy: str,
) -> None:
    with pytest.raises(HttpResponseError) as refused:
        update(program, sites, item.name, **wanted)
    assert refused.value.status_code == 400
    error = error_of(refused.value)
    assert error["code"] == "OperationNotSupported"
    assert error["target"].rpartition(".")[2] == field
    assert remedy in error["details"][0]["recommendedAction"]


def test_an_adapter_or_item_that_is_not_there_is_said(
    program: Program, sites: Sites, item: ProtectedItem
) -> None:
    with pytest.raises(HttpResponseError) as refused:
        update(program, sites, item.name, vm_nics=[asr.VMNicInputDetails(nic_id="nic-2")])
    assert error_of(refused.value)["code"] == "NetworkAdapterNotFound"
    with pytest.raises(ResourceNotFoundError):
        update(program, sites, "nothing")
