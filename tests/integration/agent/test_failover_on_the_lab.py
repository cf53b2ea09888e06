"""Every verb on simulated hosts with real bytes: there and back, with deaths on the way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from opensiterecovery.provider.v1.command_pb2 import (
    AUTHENTICATION_TYPE_CERTIFICATE,
    CommandResult,
)

from tests.integration.agent.failover_stage import EAST, WEST, HostAuthority, Stage

PORT = 8084
STORAGE = {EAST: "C:\\ClusterStorage\\V1\\Replica", WEST: "C:\\ClusterStorage\\T1\\Replica"}

Do = Callable[..., Awaitable[CommandResult]]


@pytest.fixture
async def stage(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    seed = request.node.callspec.params["seed"] if hasattr(request.node, "callspec") else 0
    made = Stage(tmp_path, seed)
    await made.open()
    yield made
    await made.close()


def link(stage: Stage, host: str, other: str, thumbprints: dict[str, str]) -> dict[str, object]:
    return {
        "vm": stage.vm(host),
        "replica_server": other,
        "port": PORT,
        "authentication_type": AUTHENTICATION_TYPE_CERTIFICATE,
        "certificate_thumbprint": thumbprints[host],
    }


async def prepare_hosts(stage: Stage, do: Do) -> dict[str, str]:
    """Certificates, listeners and authorizations on both hosts; gives the thumbprints."""
    authority = HostAuthority()
    thumbprints = {}
    for host in (EAST, WEST):
        asked = await do(host, prepare_host_certificate={"host": host, "dns_names": [host]})
        request = asked.host_certificate_request.certificate_request
        installed = await do(host, install_host_certificate=authority.answer(host, request))
        thumbprints[host] = installed.host_certificate.thumbprint
    for host, other in ((EAST, WEST), (WEST, EAST)):
        entry = {
            "allowed_primary_server": other,
            "replica_storage_location": STORAGE[host],
            "trust_group": "Gold",
        }
        configured = await do(
            host,
            configure_replication_server={
                "host": host,
                "authentication_type": AUTHENTICATION_TYPE_CERTIFICATE,
                "port": PORT,
                "certificate_thumbprint": thumbprints[host],
                "default_storage_location": STORAGE[host],
                "authorizations": [entry],
            },
        )
        assert configured.host_replication.operational_status == "Ok"
        assert configured.host_replication.port == PORT
    await do(
        EAST,
        test_replication_connection={
            "host": EAST,
            "replica_server": WEST,
            "port": PORT,
            "authentication_type": AUTHENTICATION_TYPE_CERTIFICATE,
            "certificate_thumbprint": thumbprints[EAST],
        },
    )
    return thumbprints


async def protect(stage: Stage, do: Do, thumbprints: dict[str, str]) -> None:
    settings = {"compression": True, "frequency_seconds": 30, "recovery_points": 2}
    await do(EAST, enable_replication=link(stage, EAST, WEST, thumbprints) | settings)
    await do(EAST, start_initial_replication={"vm": stage.vm(EAST)})
    await stage.until_replicating(EAST)
    await stage.until_replicating(WEST)


async def fail_over(
    stage: Stage, do: Do, way: tuple[str, str], thumbprints: dict[str, str]
) -> None:
    """A planned failover with reverse replication."""
    source, target = way
    stopped = await do(source, stop_virtual_machine={"vm": stage.vm(source)})
    assert stopped.virtual_machine.state == "Off"
    prepared = await do(source, prepare_failover={"vm": stage.vm(source)})
    assert prepared.replication.state == "PreparedForFailover"
    failed_over = await do(target, start_failover={"vm": stage.vm(target)})
    assert failed_over.replication.state == "FailedOverWaitingCompletion"
    reversed_ = await do(target, reverse_replication=link(stage, target, source, thumbprints))
    assert (reversed_.replication.mode, reversed_.replication.state) == ("Primary", "Replicating")
    started = await do(target, start_virtual_machine={"vm": stage.vm(target)})
    assert started.virtual_machine.state == "Running"


EFFECTS = {
    "certificate.installed",
    "replication.enabled",
    "failover.prepared",
    "failover.started",
    "replication.reversed",
    "vm.started",
    "vm.stopped",
}


def no_effect_twice(stage: Stage) -> None:
    doubles = {key: count for key, count in stage.effects().items() if key[0] and count > 1}
    assert doubles == {}


@pytest.mark.spec("FO-2")
@pytest.mark.spec("FO-5")
async def test_there_and_back_with_every_command_delivered_twice(stage: Stage) -> None:
    thumbprints = await prepare_hosts(stage, stage.do)
    await protect(stage, stage.do, thumbprints)
    await fail_over(stage, stage.do, (EAST, WEST), thumbprints)
    await stage.until_replicating(WEST)
    await fail_over(stage, stage.do, (WEST, EAST), thumbprints)
    no_effect_twice(stage)
    assert stage.names_of_effects() >= EFFECTS
    for host in (EAST, WEST):
        read = await stage.do(host, read_virtual_machine={"vm": stage.vm(host)})
        assert read.virtual_machine.disk_paths
        await stage.do(host, refresh_host={"host": host})
        told = await stage.do(host, read_host_replication={"host": host})
        assert told.host_replication.replication_enabled


@pytest.mark.spec("JB-3")
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_an_agent_that_dies_in_every_command_gets_there_without_a_double_effect(
    stage: Stage, seed: int
) -> None:
    assert seed
    thumbprints = await prepare_hosts(stage, stage.do_with_crash)
    await protect(stage, stage.do_with_crash, thumbprints)
    await fail_over(stage, stage.do_with_crash, (EAST, WEST), thumbprints)
    no_effect_twice(stage)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_powershell_that_dies_in_every_command_leaves_no_double_effect(
    stage: Stage, seed: int
) -> None:
    assert seed
    thumbprints = await prepare_hosts(stage, stage.do_with_powershell_killed)
    await protect(stage, stage.do_with_powershell_killed, thumbprints)
    await fail_over(stage, stage.do_with_powershell_killed, (EAST, WEST), thumbprints)
    no_effect_twice(stage)


async def test_a_committed_failover_is_committed_once(stage: Stage) -> None:
    thumbprints = await prepare_hosts(stage, stage.do)
    await protect(stage, stage.do, thumbprints)
    await stage.do(WEST, start_failover={"vm": stage.vm(WEST)})
    for _ in range(2):
        done = await stage.do(WEST, complete_failover={"vm": stage.vm(WEST)})
        assert done.replication.state == "FailedOver"
    assert sum(1 for _, effect, _ in stage.effects() if effect == "failover.completed") == 1
