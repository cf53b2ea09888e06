"""An offline first copy with everything real: exported, carried, imported, protected."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from azure.mgmt.recoveryservicessiterecovery import models as asr

from coordinator.config.waiting import wait_for
from deploy.lab.control.media import real_folder
from deploy.lab.control.operator import Cloud, JobFailedError, Operator
from deploy.lab.control.sites import Sites
from deploy.lab.control.stage import Stage
from deploy.lab.site.transfer_paths import carry
from deploy.story.story import Story

LIMIT_SECONDS = 120.0
ITEM = "vm7-item"
POLICY = "SilverOffline"
EXPORT, IMPORT = r"\\FileServer\SourceShare3", r"\\FileServer\TargetShare3"
SOURCE_HOST = "sh-silver-1.contoso.com"


@pytest.fixture
def silver(paired: Story) -> Iterator[tuple[Operator, Cloud]]:
    """The silver clouds under an offline policy; taken apart again."""
    operator = paired.operator
    source, target = (operator.clouds()[name] for name in ("SilverCloud1", "SilverCloud2"))
    where = (operator.connection.resource_group, operator.connection.vault)
    specific = asr.HyperVReplicaBluePolicyInput(
        replication_frequency_in_seconds=30,
        recovery_points=1,
        compression="Enable",
        initial_replication_method="Offline",
        offline_replication_export_path=EXPORT,
        offline_replication_import_path=IMPORT,
        replication_port=8084,
        allowed_authentication_type=2,
        replica_deletion="Required",
    )
    body = asr.CreatePolicyInput(
        properties=asr.CreatePolicyInputProperties(provider_specific_input=specific)
    )
    policies = operator.recovery.replication_policies
    policy = policies.begin_create(*where, POLICY, body).result()
    pairing = operator.pair("silver-offline", source, target, str(policy.id))
    operator.wait_for_job(pairing, LIMIT_SECONDS)
    yield operator, source
    if operator.item(source, ITEM) is not None:
        operator.wait_for_job(operator.disable(source, ITEM), LIMIT_SECONDS)
    operator.wait_for_job(operator.unpair("silver-offline", source), LIMIT_SECONDS)
    policies.begin_delete(*where, POLICY).result()


def progress(operator: Operator, cloud: Cloud, item: str) -> dict[str, Any]:
    """What the item says that its first copy waits for."""
    found = operator.item(cloud, item)
    assert found is not None
    details: Any = found.provider_specific_details
    return dict(details["offlineInitialReplication"] or {})


@pytest.mark.timeout(300)
@pytest.mark.spec("OF-1", "OF-2")
def test_a_machine_is_protected_by_data_in_a_bag(
    silver: tuple[Operator, Cloud], stage: Stage, sites: Sites
) -> None:
    operator, cloud = silver
    machine = operator.machines(cloud)["VM7"]
    policy = next(
        p
        for p in operator.recovery.replication_policies.list(
            operator.connection.resource_group, operator.connection.vault
        )
        if p.name == POLICY
    )
    shanghai, beijing = sites.admin("Shanghai"), sites.admin("Beijing")
    full = {"ntfs": "FullControl", "share": "FullControl"}

    beijing.transfer_paths("right", path=IMPORT, account="vmm-service", ntfs="Read", share="Read")
    shanghai.transfer_paths("delegate", host=SOURCE_HOST, services=[])
    job = operator.protect(ITEM, cloud, str(machine.id), str(policy.id))
    with pytest.raises(JobFailedError) as caught:
        operator.wait_for_job(job, LIMIT_SECONDS)
    for words in ("OfflineReplicationNotReady", r"Grant CONTOSO\svc-vmm NTFS Full Control", "cifs"):
        assert words in str(caught.value)
    assert sites.machine("VM7", site="Shanghai").replication_mode == "None"

    groups = ["Administrators"]
    beijing.transfer_paths("right", path=IMPORT, account="vmm-service", groups=groups, **full)
    shanghai.transfer_paths("delegate", host=SOURCE_HOST, services=["cifs/FileServer"])
    job = operator.protect(ITEM, cloud, str(machine.id), str(policy.id))
    operator.wait_for_job(job, LIMIT_SECONDS)
    wait_for(
        "the item to wait for the data",
        lambda: progress(operator, cloud, ITEM).get("stage") == "WaitingForData",
        LIMIT_SECONDS,
    )
    told = progress(operator, cloud, ITEM)
    assert str(told["waitsFor"]).startswith(f"Carry the folder {told['folder']}")
    assert sites.machine("VM7", site="Beijing").replication_state == "WaitingForInitialReplication"

    target = real_folder(stage, "Beijing", IMPORT)
    assert carry(real_folder(stage, "Shanghai", EXPORT), target) == [told["folder"]]

    def protected() -> bool:
        found = operator.item(cloud, ITEM)
        return found is not None and found.protection_state == "Protected"

    wait_for("the import and finalizing", protected, LIMIT_SECONDS)
    assert sites.ledger("VM7", site="Beijing").gaps == 0
    assert progress(operator, cloud, ITEM) == {}
