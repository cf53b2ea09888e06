"""What is at the recovery site already is used: a replication made by hand, a copy left behind."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.powershell.cmdlet import cmdlet
from coordinator.config.waiting import wait_for
from deploy.lab.control.sites import Sites
from deploy.lab.control.stage import Stage
from deploy.story.story import TO_RECOVERY, Story
from tests.e2e.by_hand import by_hand
from tests.e2e.conftest import story_of
from tests.e2e.test_hosts import hosts
from tests.e2e.test_osr import osr

MACHINE = "ByHand"
HOSTS = {"Shanghai": "sh-gold-1.contoso.com", "Beijing": "bj-gold-1.contoso.com"}
LIMIT_SECONDS = 90.0
MIB = 1024**2
DISK_MIB = 24


@pytest.fixture
def story(paired: Story, sites: Sites) -> Iterator[Story]:
    """The story of a machine of its own, which is gone from both sites afterwards."""
    table = {
        "name": MACHINE,
        "host": HOSTS["Shanghai"],
        "networks": [{"network": "VMNetwork1-Shanghai", "subnet": "Backend", "ip": "10.1.1.78"}],
        "disks": [{"path": r"C:\ClusterStorage\SourceVolume1", "mib": DISK_MIB}],
    }
    sites.admin("Shanghai").add_vms(table, cloud="GoldCloud1")
    if sites.machine(MACHINE, site="Shanghai").state != "Running":
        sites.admin("Shanghai").power(MACHINE, "start")
    yield story_of(MACHINE, paired)
    for machine in [each for each in sites.machines() if each.name == MACHINE]:
        sites.admin(machine.site).power(MACHINE, "turnoff")
        sites.admin(machine.site).delete_vm(MACHINE)


def replicate_by_hand(sites: Sites, thumbprint: str) -> None:
    """Hyper-V Replica as an administrator sets it up: other settings than the policy's."""
    machine = {"VMName": MACHINE, "ComputerName": HOSTS["Shanghai"]}
    enable = cmdlet(
        "Enable-VMReplication",
        **machine,
        ReplicaServerName=HOSTS["Beijing"],
        ReplicaServerPort=8084,
        AuthenticationType="Certificate",
        CertificateThumbprint=thumbprint,
        ReplicationFrequencySec=300,
        CompressionEnabled=False,
    )
    by_hand(sites, "Shanghai", enable)
    by_hand(sites, "Shanghai", cmdlet("Start-VMInitialReplication", **machine))
    wait_for("the first copy made by hand", lambda: replicating(sites), LIMIT_SECONDS)


def replicating(sites: Sites) -> bool:
    found = [each for each in sites.machines() if each.name == MACHINE]
    return [each.replication_state for each in found] == ["Replicating"] * 2


def remove_by_hand(sites: Sites) -> None:
    for site, host in HOSTS.items():
        by_hand(sites, site, cmdlet("Remove-VMReplication", VMName=MACHINE, ComputerName=host))


def refresh(stage: Stage) -> None:
    for server in ("VMM-Shanghai", "VMM-Beijing"):
        done = osr(stage, "server", "refresh", server)
        assert done.returncode == 0, done.stdout + done.stderr


def protect(story: Story) -> dict[str, str]:
    """Protects the machine; gives the job's tasks by name."""
    cloud = story.operator.clouds()["GoldCloud1"]
    machine = story.operator.machines(cloud)[MACHINE]
    job = story.operator.protect(story.item, cloud, str(machine.id), story._policy)
    story.operator.wait_for_job(job, LIMIT_SECONDS)
    story.wait_for_state("Protected")
    tasks = story.operator.job(job).tasks or []
    return {str(task.name): str(task.state) for task in tasks}


def frequency(sites: Sites) -> int:
    [found] = by_hand(
        sites,
        "Shanghai",
        cmdlet("Get-VMReplication", VMName=MACHINE, ComputerName=HOSTS["Shanghai"]),
    )
    return found.integer("ReplicationFrequencySec")


@pytest.mark.timeout(300)
@pytest.mark.spec("RE-6", "RE-7", "PV-1")
def test_a_replication_made_by_hand_is_taken_over_and_later_its_copy_is_used(
    story: Story, stage: Stage, sites: Sites
) -> None:
    replicate_by_hand(sites, hosts(stage)[HOSTS["Shanghai"]]["certificateThumbprint"])
    refresh(stage)
    assert frequency(sites) == 300
    duplicates, sent, began = sites.duplicate_effects(), sites.bytes_replicated(), effects(sites)

    # Taken over: the policy's settings, and nothing sent but what the guest wrote meanwhile.
    assert protect(story)["VmStartInitialReplication"] == "Skipped"
    story.wait_for_deltas("Beijing")
    assert frequency(sites) == 30
    assert sites.bytes_replicated() - sent < DISK_MIB * MIB // 4
    assert not {"initial_replication.started", "vm.created"} & set(effects(sites)[len(began) :])
    assert sites.machine(MACHINE, site="Beijing").host == HOSTS["Beijing"]

    # Forgotten by the vault, and cleaned up by the commands that it gives.
    left = osr(stage, "protect", "disable", MACHINE, "--vault-only", "--yes")
    assert left.returncode == 0, left.stdout + left.stderr
    assert "Remove-VMReplication" in left.stdout
    assert replicating(sites)
    remove_by_hand(sites)
    refresh(stage)

    # The copy that is left is compared with instead of sent anew.
    written = sites.write(MACHINE, 3)
    sent = sites.bytes_replicated()
    assert protect(story)["VmStartInitialReplication"] == "Succeeded"
    story.wait_for_deltas("Beijing")
    assert sites.bytes_replicated() - sent < DISK_MIB * MIB // 2
    assert sites.ledger(MACHINE, site="Beijing").last_found >= written

    # Machines' bytes go from host to host: none is with the coordinator or the agents.
    [content] = {end_of_disk(stage, site) for site in HOSTS}
    assert any(content)
    assert files_with(content, stage, beside="sites") == []

    # Whole: every byte that left is there.
    story.planned_failover(TO_RECOVERY, "Shanghai", "Beijing")
    story.commit()
    disabled = osr(stage, "protect", "disable", MACHINE, "--yes")
    assert disabled.returncode == 0, disabled.stdout + disabled.stderr
    assert sites.duplicate_effects() == duplicates


def end_of_disk(stage: Stage, site: str) -> bytes:
    """The last bytes of the machine's disk at a site, random ones from the start."""
    machine = Sites(stage).machine(MACHINE, site=site)
    host = stage.state / "sites" / site / "hosts" / machine.host
    [disk] = host.glob(f"vms/{machine.vm_id}/disks/*.vhdx")
    return disk.read_bytes()[-32:]


def files_with(content: bytes, stage: Stage, beside: str) -> list[Path]:
    """Files of the stage that hold bytes as they are, in hexadecimal or in base 64."""
    forms = [content, content.hex().encode()]
    forms += [base64.b64encode(content[start : start + 27]) for start in range(3)]
    files = [path for path in stage.state.rglob("*") if path.is_file()]
    return [
        path
        for path in files
        if beside not in path.relative_to(stage.state).parts
        and any(form in content_of(path) for form in forms)
    ]


def content_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        # PostgreSQL has renamed or removed it since.
        return b""


def effects(sites: Sites) -> list[str]:
    return [each.effect for each in sites.effects() if MACHINE in str(each)]
