"""What 25,000 machines cost the coordinator that replicate every 30 seconds.

Runs as a process of its own, with the environment of a stack; prints JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import django
from django.db import connection

MACHINES = 25_000
PAIRS = 10
LOOKS = 7
# The first look makes rows, which happens once in a machine's life.
FIRST_LOOKS = 6


def processor_seconds(pid: int) -> float:
    """Processor time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children_of(parent: int) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text(encoding="ascii").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            found.append(int(folder.name))
    return found


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "coordinator.config.settings")
    django.setup()
    machines = int(sys.argv[1]) if len(sys.argv) > 1 else MACHINES
    looks = int(sys.argv[2]) if len(sys.argv) > 2 else LOOKS
    sys.stdout.write(json.dumps(asyncio.run(run(machines, looks))) + "\n")
    return 0


def postmaster() -> int:
    """Process id of the PostgreSQL server whose children serve this connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = int(cursor.fetchone()[0])
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    return int(stat.rpartition(")")[2].split()[1])


def table_bytes(table: str) -> float:
    """What a table takes, with its indexes."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_total_relation_size(%s)", [table])
        return float(cursor.fetchone()[0])


async def run(machines: int, looks: int) -> dict[str, float]:
    """One run."""
    # Models can be imported only after Django is set up.
    from coordinator.gateway.database import Database  # noqa: PLC0415 - see above
    from coordinator.gateway.settings import (  # noqa: PLC0415 - see above
        GatewayContext,
        GatewaySettings,
    )
    from coordinator.protection.replication.history import keep_rpo  # noqa: PLC0415 - see above
    from coordinator.protection.replication.rpo import SPAN  # noqa: PLC0415 - see above
    from coordinator.vaults.authority import ensure_authority  # noqa: PLC0415 - see above
    from tests.bench.replication_load import LOOK_SECONDS, Session, forget, make_agents  # noqa: PLC0415

    gateway = GatewayContext(
        gateway_id="bench",
        authority=ensure_authority(Path(tempfile.mkdtemp(prefix="osr-bench-")), datetime.now(UTC)),
        database=Database(),
        clock=lambda: datetime.now(UTC),
        settings=GatewaySettings(),
    )

    agents = await gateway.database.run(make_agents, machines, PAIRS)
    parent = await gateway.database.run(postmaster)
    sessions = [Session(agent, gateway) for agent in agents]
    loop = asyncio.get_running_loop()
    # Every side once, as fast as it goes.
    for session in sessions:
        for number in range(FIRST_LOOKS):
            await session.serve(1, loop.time() - number * LOOK_SECONDS, [])
            session.agent.vm_ids.append(session.agent.vm_ids.pop(0))

    def used() -> tuple[float, float]:
        servers = sum(processor_seconds(pid) for pid in children_of(parent))
        made = sum(session.made_seconds for session in sessions)
        return time.process_time() - made, servers

    before, began, lags = used(), loop.time(), list[float]()
    await asyncio.gather(
        *(
            session.serve(looks, began + LOOK_SECONDS * index / len(sessions), lags)
            for index, session in enumerate(sessions)
        )
    )
    seconds, after = loop.time() - began, used()
    began = loop.time()
    await gateway.database.run(keep_rpo, datetime.now(UTC) + SPAN)
    history_seconds = loop.time() - began
    sides = await gateway.database.run(table_bytes, "protection_replicationside")
    await gateway.database.run(forget, agents)
    await gateway.database.close()
    return {
        "machines": machines,
        "states_a_second": machines * 2 * looks / 6 / seconds,
        "coordinator_share": (after[0] - before[0]) / seconds,
        "postgres_share": (after[1] - before[1]) / seconds,
        "lag_p50_ms": sorted(lags)[len(lags) // 2] * 1000,
        "lag_p99_ms": sorted(lags)[int(len(lags) * 0.99)] * 1000,
        "oldest_seconds": LOOK_SECONDS + max(lags),
        "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "side_bytes": sides / machines / 2,
        "history_seconds": history_seconds,
    }


if __name__ == "__main__":
    sys.exit(main())
