"""The gateway as a process: serves until it is told to stop, then leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from opensiterecovery.provider.v1.registration_pb2 import RegisterRequest
from opensiterecovery.provider.v1.registration_pb2_grpc import RegistrationStub

from coordinator.config.configuration import Configuration
from coordinator.gateway.server import serve
from coordinator.jobs.registry import Registry
from coordinator.jobs.services import Engine
from coordinator.vaults.services import ensure_authority
from tests.integration.gateway.agents import REGISTRATION, Door, told_failure
from tests.integration.gateway.jobs_for_agents import utc_now


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_it_serves_until_sigterm(
    transactional_db: None, tmp_path: Path, redis_url: str
) -> None:
    port = free_port()
    configuration = Configuration(
        state=tmp_path, database_url="", redis_url=redis_url, gateway_port=port
    )
    serving = asyncio.create_task(serve(configuration, Engine(Registry(), utc_now)))
    door = Door(port, ensure_authority(tmp_path / "ca", datetime.now(UTC)).pem.encode())
    async with asyncio.timeout(20):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            async with door.channel(REGISTRATION) as channel:
                await RegistrationStub(channel).Register(
                    RegisterRequest(registration_key=b"x"), wait_for_ready=True
                )
    assert told_failure(error.value).code == "KeyMalformed"
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(20):
        await serving
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
