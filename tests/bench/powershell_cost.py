"""What the agent costs per cmdlet, beside psrpcore's client alone against the same server."""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

import psrpcore
from psrpcore.types import RunspacePoolState

from agent.powershell.cmdlet import cmdlet
from agent.powershell.pool import NO_COMMAND, PowerShellPool

CALLS = 300
Pool = psrpcore.ClientRunspacePool | psrpcore.ServerRunspacePool
VMM = "vmm-shanghai.contoso.com"


def raw_client_seconds() -> float:
    """CPU seconds per call of psrpcore's client end: one cmdlet, two parameters, one object.

    The server end runs in the same process and is not counted.
    """
    client = psrpcore.ClientRunspacePool()
    server = psrpcore.ServerRunspacePool()

    def feed(source: Pool, target: Pool) -> None:
        while payload := source.data_to_send():
            target.receive_data(payload)

    def drain(pool: Pool) -> None:
        while pool.next_event() is not None:
            pass

    client.open()
    feed(client, server)
    drain(server)
    feed(server, client)
    drain(client)
    if client.state != RunspacePoolState.Opened:
        raise RuntimeError("the raw runspace pool did not open")
    counted = 0.0
    for _ in range(CALLS):
        began = time.process_time()
        pipeline = psrpcore.ClientPowerShell(client)
        pipeline.add_command("Get-SCVMMServer")
        pipeline.add_parameter("ComputerName", VMM)
        pipeline.add_parameter("ErrorAction", "Stop")
        pipeline.start()
        payloads = list(iter(client.data_to_send, None))
        counted += time.process_time() - began
        answers = _answer(server, pipeline.pipeline_id, payloads)
        began = time.process_time()
        for answer in answers:
            client.receive_data(answer)
        drain(client)
        pipeline.close()
        counted += time.process_time() - began
    return counted / CALLS


def _answer(
    server: psrpcore.ServerRunspacePool,
    pipeline_id: uuid.UUID,
    payloads: list[psrpcore.PSRPPayload],
) -> list[psrpcore.PSRPPayload]:
    """What the server sends for one pipeline: an object of a dozen properties, and the end."""
    running = psrpcore.ServerPipeline(server, pipeline_id)
    for payload in payloads:
        server.receive_data(payload)
    while server.next_event() is not None:
        pass
    running.start()
    output = psrpcore.types.PSObject()
    for number in range(12):
        property_ = psrpcore.types.PSNoteProperty(f"Property{number}", f"value {number}")
        output.PSObject.extended_properties.append(property_)
    running.write_output(output)
    running.complete()
    running.close()
    return list(iter(server.data_to_send, None))


async def agent_seconds(site_socket: Path) -> tuple[float, float]:
    """CPU and wall seconds per call of the agent's pool against the lab as a process."""
    command = (
        sys.executable,
        "-m",
        "deploy.lab.powershell",
        "--site-socket",
        str(site_socket),
        "-s",
    )
    pool = PowerShellPool(command, max_runspaces=4)
    powershell = pool.for_command(NO_COMMAND)
    call = cmdlet("Get-SCVMMServer", ComputerName=VMM)
    await powershell.run(call, time_limit_seconds=60)
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(CALLS):
        await powershell.run(call, time_limit_seconds=60)
    used = (time.process_time() - cpu) / CALLS, (time.perf_counter() - wall) / CALLS
    await pool.close()
    return used


def measure_once(site_socket: Path) -> Mapping[tuple[str, str], float]:
    """One run of both."""
    raw = raw_client_seconds()
    cpu, wall = asyncio.run(agent_seconds(site_socket))
    return {
        ("psrpcore's client end alone, CPU per cmdlet", "ms"): raw * 1000,
        ("agent's pool, CPU per cmdlet (framing, pipes, typed records)", "ms"): cpu * 1000,
        ("agent / raw, CPU", "ratio"): cpu / raw,
        ("agent's pool, wall per cmdlet, lab's process included", "ms"): wall * 1000,
    }
