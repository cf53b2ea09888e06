"""Commands about hosts on simulated ones: certificates rolled over while machines replicate."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from opensiterecovery.provider.v1.command_pb2 import (
    AUTHENTICATION_TYPE_CERTIFICATE,
    CommandResult,
)

from agent.fabric.brokers import read_brokers
from agent.powershell.pool import PowerShellPool
from deploy.lab.site.certificates import HostCertificate
from deploy.lab.site.clock import SiteClock
from deploy.lab.site.environment import Environment
from deploy.lab.site.host_operations import set_clock_skew
from deploy.lab.site.power import boot, open_site, shut_down
from deploy.lab.site.topology import parse_topology
from tests.integration.agent.failover_stage import EAST, WEST, HostAuthority, SiteAgent, Stage

PORT = 8084
NODES = [EAST, "hv-e2.contoso.com"]
BROKER = "broker-e.contoso.com"
STORAGE = {
    EAST: "C:\\ClusterStorage\\V1\\Replica",
    BROKER: "C:\\ClusterStorage\\V1\\Replica",
    WEST: "C:\\ClusterStorage\\T1\\Replica",
}
CLUSTERED = r"""
[guest]
interval_seconds = 0.02
block_bytes = 4096
[[sites]]
name = "East"
vmm_server = "vmm-east.contoso.com"
clusters = [
  { fqdn = "cluster-e.contoso.com", broker = "broker-e.contoso.com", nodes = [
    "hv-e1.contoso.com", "hv-e2.contoso.com"] },
  { fqdn = "bare-e.contoso.com", nodes = ["bare-e1.contoso.com"] },
]
volumes = [
  { path = 'C:\ClusterStorage\V1', cluster = "cluster-e.contoso.com" },
  { path = 'C:\ClusterStorage\B1', cluster = "bare-e.contoso.com" },
]
[[sites.clouds]]
name = "CloudE"
hosts = ["hv-e1.contoso.com", "hv-e2.contoso.com"]
[[sites.clouds.vms]]
name = "App"
host = "hv-e1.contoso.com"
highly_available = true
disks = [{ path = 'C:\ClusterStorage\V1', mib = 3 }]
[[sites.clouds]]
name = "Bare"
hosts = ["bare-e1.contoso.com"]
[[sites]]
name = "West"
vmm_server = "vmm-west.contoso.com"
volumes = [{ path = 'C:\ClusterStorage\T1' }]
[[sites.clouds]]
name = "CloudW"
hosts = ["hv-w1.contoso.com"]
"""


class ClusteredStage(Stage):
    """East is a cluster of two nodes with a broker."""

    async def open(self) -> None:
        for name, host in (("East", EAST), ("West", WEST)):
            environment = Environment(
                state_dir=self._folder,
                clock=SiteClock(10.0),
                random=random.Random(name),
                connect_timeout_seconds=2.0,
            )
            site = open_site(parse_topology(CLUSTERED), name, environment)
            await boot(site)
            self.agents[host] = SiteAgent(site, self._folder)

    async def close(self) -> None:
        for agent in self.agents.values():
            await shut_down(agent.site)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    made = Stage(tmp_path, 0)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def clustered(tmp_path: Path) -> AsyncIterator[Stage]:
    made = ClusteredStage(tmp_path, 0)
    await made.open()
    yield made
    await made.close()


async def certify(
    stage: Stage, authority: HostAuthority, agent: str, name: str, nodes: list[str] | None = None
) -> str:
    """A new certificate on a host, or on all nodes under the broker's name; its thumbprint."""
    hosts = nodes or [name]
    asked = await stage.do(
        agent,
        prepare_host_certificate={"host": name, "dns_names": list(dict.fromkeys([name, *hosts]))},
    )
    answer = authority.answer(name, asked.host_certificate_request.certificate_request)
    thumbprints = set()
    for number, host in enumerate(hosts, 1):
        answer.host, answer.key_of, answer.keep_key = host, name, number < len(hosts)
        installed = await stage.do(agent, install_host_certificate=answer)
        thumbprints.add(installed.host_certificate.thumbprint)
    [thumbprint] = thumbprints
    return thumbprint


async def configure(
    stage: Stage, agent: str, name: str, thumbprint: str, primary: str, **more: Any
) -> CommandResult:
    return await stage.do(
        agent,
        configure_replication_server={
            "host": name,
            "authentication_type": AUTHENTICATION_TYPE_CERTIFICATE,
            "port": PORT,
            "certificate_thumbprint": thumbprint,
            "default_storage_location": STORAGE[name],
            "authorizations": [
                {
                    "allowed_primary_server": primary,
                    "replica_storage_location": STORAGE[name],
                    "trust_group": "osr-1",
                }
            ],
            **more,
        },
    )


async def replicate(stage: Stage, replica_server: str, thumbprint: str) -> None:
    await stage.do(
        EAST,
        enable_replication={
            "vm": stage.vm(EAST),
            "replica_server": replica_server,
            "port": PORT,
            "authentication_type": AUTHENTICATION_TYPE_CERTIFICATE,
            "certificate_thumbprint": thumbprint,
            "frequency_seconds": 30,
            "recovery_points": 2,
        },
    )
    await stage.do(EAST, start_initial_replication={"vm": stage.vm(EAST)})
    await stage.until_replicating(EAST)


async def until_sent_after(stage: Stage, moment: datetime) -> None:
    """Until a log was sent after a moment, with a deadline."""
    async with asyncio.timeout(60):
        while True:
            state = (await stage.do(EAST, read_replication={"vm": stage.vm(EAST)})).replication
            if state.last_replication_time.ToDatetime(tzinfo=moment.tzinfo) > moment:
                assert state.state == "Replicating"
                return


def certificates(stage: Stage, host: str) -> tuple[HostCertificate, ...]:
    site = stage.agents[host].site
    return site.certificates(site.host(host))


def now(stage: Stage) -> datetime:
    return stage.agents[EAST].site.clock.now()


async def refusal(stage: Stage, host: str, **verb: Any) -> str:
    """The code with which a command is refused."""
    agent, command = stage.agents[host], stage.command(**verb)
    async with agent.life() as executor:
        await executor.deliver(command)
        result = await agent.result(command.command_id)
    assert result.failure.possible_causes
    assert result.failure.recommended_action
    return result.failure.code


@pytest.mark.spec("PO-3")
async def test_certificates_are_rolled_over_while_a_machine_replicates(stage: Stage) -> None:
    authority = HostAuthority()
    old = {host: await certify(stage, authority, host, host) for host in (EAST, WEST)}
    await configure(stage, EAST, EAST, old[EAST], WEST)
    await configure(stage, WEST, WEST, old[WEST], EAST)
    await replicate(stage, WEST, old[EAST])

    new = {host: await certify(stage, authority, host, host) for host in (EAST, WEST)}
    for host, other in ((EAST, WEST), (WEST, EAST)):
        configured = await configure(stage, host, host, new[host], other)
        assert configured.host_replication.certificate_thumbprint == new[host]
    # The machine still sends with the old certificate.
    await until_sent_after(stage, now(stage))
    removal = {"host": EAST, "thumbprints": [old[EAST]]}
    assert await refusal(stage, EAST, remove_host_certificates=removal) == "CertificateInUse"

    change = {"vm": stage.vm(EAST), "certificate_thumbprint": new[EAST]}
    await stage.do(EAST, change_replication=change)
    await stage.do(EAST, remove_host_certificates=removal)
    await stage.do(WEST, remove_host_certificates={"host": WEST, "thumbprints": [old[WEST]]})
    await until_sent_after(stage, now(stage))
    for host in (EAST, WEST):
        site = stage.agents[host].site
        assert [each.thumbprint for each in site.certificates(site.hosts[0])] == [new[host]]
    # Delivered twice, each changed something once.
    assert max(stage.effects().values()) == 1
    state = (await stage.do(EAST, read_replication={"vm": stage.vm(EAST)})).replication
    assert (state.health, state.replication_errors) == ("Normal", 0)


@pytest.mark.spec("PO-4")
async def test_settings_of_a_running_replication_change_and_no_others(stage: Stage) -> None:
    authority = HostAuthority()
    made = {host: await certify(stage, authority, host, host) for host in (EAST, WEST)}
    await configure(stage, WEST, WEST, made[WEST], EAST)
    await replicate(stage, WEST, made[EAST])
    vm = stage.vm(EAST)
    changed = await stage.do(
        EAST,
        change_replication={
            "vm": vm,
            "frequency_seconds": 300,
            "recovery_points": 6,
            "application_consistent_hours": 2,
            "compression": False,
        },
    )
    assert changed.replication.frequency_seconds == 300
    replication = (
        stage.agents[EAST].site.vm(stage.agents[EAST].site.hosts[0], name="App").replication
    )
    assert replication is not None
    assert (replication.recovery_history, replication.vss_hours) == (6, 2)
    assert not replication.compression
    assert replication.certificate_thumbprint == made[EAST]
    await stage.do(EAST, change_replication={"vm": vm, "application_consistent_hours": 0})
    assert replication.vss_hours == 0
    assert replication.recovery_history == 6
    code = await refusal(stage, WEST, change_replication={"vm": stage.vm(WEST), "port": 9})
    assert code == "ReplicationNotReady"
    assert await refusal(stage, EAST, change_replication={"vm": vm}) == "CommandInvalid"


@pytest.mark.spec("PA-3", "PA-4")
async def test_an_entry_passes_to_another_pairing_and_its_replica_goes_on(stage: Stage) -> None:
    authority = HostAuthority()
    made = {host: await certify(stage, authority, host, host) for host in (EAST, WEST)}
    await configure(stage, WEST, WEST, made[WEST], EAST)
    await replicate(stage, WEST, made[EAST])
    entry = {
        "allowed_primary_server": EAST,
        "replica_storage_location": STORAGE[WEST],
        "trust_group": "osr-2",
    }
    removal = {"host": WEST, "trust_group": "osr-1", "kept_authorizations": [entry]}
    left = await stage.do(WEST, remove_host_replication=removal)
    assert [each.trust_group for each in left.host_replication.authorizations] == ["osr-2"]
    await until_sent_after(stage, now(stage))
    assert left.host_replication.replication_enabled


@pytest.mark.spec("PA-4")
async def test_the_last_pairing_takes_everything_with_it_but_the_rules_of_others(
    stage: Stage,
) -> None:
    authority = HostAuthority()
    first, second = [await certify(stage, authority, WEST, WEST) for _ in range(2)]
    await configure(stage, WEST, WEST, second, EAST)
    site = stage.agents[WEST].site
    host = site.hosts[0]
    built_in = [rule.name for rule in host.firewall_rules if rule.local_port != PORT]
    left = await stage.do(
        WEST,
        remove_host_replication={
            "host": WEST,
            "trust_group": "osr-1",
            "disable": True,
            "certificate_thumbprint": second,
            "superseded_thumbprints": [first],
            "closed_port": PORT,
        },
    )
    assert not left.host_replication.replication_enabled
    assert not left.host_replication.authorizations
    assert site.certificates(host) == ()
    assert [rule.name for rule in host.firewall_rules] == built_in


@pytest.mark.spec("PO-3")
async def test_issuers_of_later_certificates_become_trusted_beforehand(stage: Stage) -> None:
    now_signing, later = HostAuthority(), HostAuthority("Replication CA 2")
    asked = await stage.do(WEST, prepare_host_certificate={"host": WEST, "dns_names": [WEST]})
    request = asked.host_certificate_request.certificate_request
    answer = now_signing.answer(WEST, request)
    answer.trusted_issuers.append(later.answer(WEST, request).issuer)
    await stage.do(WEST, install_host_certificate=answer)
    assert "root_certificate.installed" in stage.names_of_effects()
    [thumbprint] = [each.thumbprint for each in certificates(stage, WEST)]
    await configure(stage, WEST, WEST, thumbprint, EAST)
    # East's is signed by the later issuer, and West believes it. East trusts West's issuer too.
    theirs = await certify(stage, later, EAST, EAST)
    await certify(stage, now_signing, EAST, EAST)
    connection = {
        "host": EAST,
        "replica_server": WEST,
        "port": PORT,
        "authentication_type": AUTHENTICATION_TYPE_CERTIFICATE,
        "certificate_thumbprint": theirs,
    }
    await stage.do(EAST, test_replication_connection=connection)


@pytest.mark.spec("PR-2", "PA-3")
async def test_a_cluster_is_reached_by_its_broker_and_certified_on_every_node(
    clustered: Stage,
) -> None:
    authority = HostAuthority()
    east = await certify(clustered, authority, EAST, BROKER, NODES)
    west = await certify(clustered, authority, WEST, WEST)
    configured = await configure(clustered, EAST, BROKER, east, WEST, nodes=NODES)
    assert configured.host_replication.operational_status == "Ok"
    await configure(clustered, WEST, WEST, west, BROKER)
    site = clustered.agents[EAST].site
    for host in site.hosts:
        if host.fqdn in NODES:
            assert [each.thumbprint for each in site.certificates(host)] == [east]
    await replicate(clustered, WEST, east)
    read = await clustered.do(
        EAST,
        read_host_replication={"host": BROKER, "nodes": NODES, "wanted_updates": ["KB2961977"]},
    )
    assert list(read.host_replication.missing_updates) == [f"KB2961977 on {node}" for node in NODES]
    site.host(EAST).installed_updates.append("KB2961977")
    read = await clustered.do(
        EAST,
        read_host_replication={"host": BROKER, "nodes": NODES, "wanted_updates": ["KB2961977"]},
    )
    assert list(read.host_replication.missing_updates) == [f"KB2961977 on {NODES[1]}"]


@pytest.mark.spec("PR-2")
async def test_brokers_are_read_from_the_clusters(clustered: Stage) -> None:
    pool = PowerShellPool(clustered.agents[EAST].shells.start)
    try:
        found = await read_brokers(
            pool,
            ["cluster-e.contoso.com", "bare-e.contoso.com", "none.contoso.com"],
            time_limit_seconds=30,
        )
    finally:
        await pool.close()
    assert found.read == {"cluster-e.contoso.com": BROKER, "bare-e.contoso.com": ""}
    assert list(found.unread) == ["none.contoso.com"]
    assert "RPC server" in found.unread["none.contoso.com"]


@pytest.mark.spec("PO-3")
async def test_a_host_with_a_wrong_clock_is_told_as_such(stage: Stage) -> None:
    site = stage.agents[WEST].site
    set_clock_skew(site, site.host(WEST), -3 * 86400)
    authority = HostAuthority()
    asked = await stage.do(WEST, prepare_host_certificate={"host": WEST, "dns_names": [WEST]})
    request = asked.host_certificate_request.certificate_request
    install = authority.answer(WEST, request)
    assert await refusal(stage, WEST, install_host_certificate=install) == "HostClockWrong"
    set_clock_skew(site, site.host(WEST), 0)
    await stage.do(WEST, install_host_certificate=install)
