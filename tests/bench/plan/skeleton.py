"""The least a durable plan run can do: two commits and a gRPC stream for each action.

One process: psycopg, grpc.aio, a queue for each host. An action's start is committed before its
stream is opened, its end before the next one begins; nothing else is kept, checked, shown, secured.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import json
import subprocess
import sys
import time
from pathlib import Path

import grpc
import psycopg

from tests.bench.plan.action_log import read_log
from tests.bench.plan.figures import facts
from tests.bench.plan.processor import used_seconds
from tests.bench.plan.skeleton_agent import METHOD, SERVICE
from tests.bench.plan.workload import ACTIONS, GROUPS, HOSTS, SLOTS, Machine, make_machines

AGENTS = 2
CONNECTIONS = 4
TABLES = """
CREATE TABLE IF NOT EXISTS skeleton_machine (
    number integer PRIMARY KEY, action integer NOT NULL, running boolean NOT NULL
);
CREATE TABLE IF NOT EXISTS skeleton_event (
    id bigserial PRIMARY KEY, machine integer NOT NULL, action integer NOT NULL, event text NOT NULL
);
TRUNCATE skeleton_machine, skeleton_event;
"""
CHANGE = "UPDATE skeleton_machine SET action = %s, running = %s WHERE number = %s"
# Its own backends and what all have in common; another one's backends are not its cost.
BACKENDS = """
SELECT pid FROM pg_stat_activity
WHERE pid = ANY(%s) OR backend_type NOT IN ('client backend', 'autovacuum worker')
"""
NOTE = "INSERT INTO skeleton_event (machine, action, event) VALUES (%s, %s, %s)"


class Skeleton:
    """Runs one plan."""

    def __init__(self, machines: list[Machine], database_url: str, *, forecast: bool) -> None:
        self._machines = machines
        self._database_url = database_url
        self._forecast = forecast
        self._connections: asyncio.Queue[psycopg.AsyncConnection] = asyncio.Queue()
        self._channels: list[grpc.aio.Channel] = []
        self._agents: list[grpc.aio.UnaryStreamMultiCallable[bytes, bytes]] = []
        self._waiting: list[list[tuple[float, int, int, int]]] = [[] for _ in range(HOSTS)]
        self._free = [SLOTS] * HOSTS
        self._left = 0
        self._arrivals = 0
        self._group_over = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        # Of PostgreSQL, working for this.
        self.backends: list[int] = []

    async def prepare(self) -> None:
        """Tables and connections."""
        for number in range(CONNECTIONS):
            connection = await psycopg.AsyncConnection.connect(self._database_url)
            if number == 0:
                await connection.execute(TABLES)
                async with connection.cursor() as cursor:
                    await cursor.executemany(
                        "INSERT INTO skeleton_machine VALUES (%s, 0, false)",
                        [(machine.number,) for machine in self._machines],
                    )
                await connection.commit()
            self._connections.put_nowait(connection)
            self.backends.append(connection.info.backend_pid)
        connection = await self._connections.get()
        found = await connection.execute(BACKENDS, [self.backends])
        self.backends = [pid for (pid,) in await found.fetchall()]
        await connection.commit()
        self._connections.put_nowait(connection)

    async def connect(self, port: int) -> None:
        """An agent, which listens: the bare minimum has no session."""
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        await channel.channel_ready()
        self._channels.append(channel)
        self._agents.append(channel.unary_stream(f"/{SERVICE}/{METHOD}"))

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()
        while not self._connections.empty():
            await self._connections.get_nowait().close()

    async def run(self) -> None:
        """The plan, once all agents are there."""
        for group in range(GROUPS):
            members = [machine for machine in self._machines if machine.group == group]
            self._left = len(members)
            self._group_over.clear()
            for machine in members:
                self._wait_for_slot(machine, 0)
            for host in range(HOSTS):
                self._fill(host)
            await self._group_over.wait()

    def _wait_for_slot(self, machine: Machine, action: int) -> None:
        self._arrivals += 1
        urgency = -machine.rest(action) if self._forecast else 0.0
        heapq.heappush(
            self._waiting[machine.host], (urgency, self._arrivals, machine.number, action)
        )

    def _fill(self, host: int) -> None:
        while self._free[host] and self._waiting[host]:
            self._free[host] -= 1
            _, _, number, action = heapq.heappop(self._waiting[host])
            task = asyncio.create_task(self._act(self._machines[number], action))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _act(self, machine: Machine, action: int) -> None:
        await self._commit(machine, action, "start")
        agent = self._agents[machine.host * AGENTS // HOSTS]
        async for _ in agent(f"{len(self._machines)} {machine.number} {action}".encode()):
            pass
        await self._commit(machine, action, "end")
        self._free[machine.host] += 1
        if action + 1 < ACTIONS:
            self._wait_for_slot(machine, action + 1)
        else:
            self._left -= 1
            if not self._left:
                self._group_over.set()
        self._fill(machine.host)

    async def _commit(self, machine: Machine, action: int, event: str) -> None:
        connection = await self._connections.get()
        try:
            await connection.execute(CHANGE, [action, event == "start", machine.number])
            await connection.execute(NOTE, [machine.number, action, event])
            await connection.commit()
        finally:
            self._connections.put_nowait(connection)


async def run(options: argparse.Namespace, log: Path) -> dict[str, float]:
    """One plan; starts and ends the agents."""
    machines = make_machines(options.machines)
    skeleton = Skeleton(machines, options.database, forecast=options.order == "forecast")
    await skeleton.prepare()
    agents = _start_agents(log)
    try:
        for agent in agents:
            await skeleton.connect(await asyncio.to_thread(_port, agent))
        before, asked_at = _used(skeleton, agents), time.monotonic()
        await skeleton.run()
        after = _used(skeleton, agents)
    finally:
        for agent in agents:
            agent.terminate()
            agent.wait()
        await skeleton.close()
    used = {name: after[name] - before[name] for name in before}
    return facts(machines, read_log(log, machines), asked_at, used)


def _start_agents(log: Path) -> list[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.bench.plan.skeleton_agent", str(log)]
    return [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(AGENTS)]


def _port(agent: subprocess.Popen[bytes]) -> int:
    if agent.stdout is None:
        raise RuntimeError("the agent has no output")
    return int(agent.stdout.readline())


def _used(skeleton: Skeleton, agents: list[subprocess.Popen[bytes]]) -> dict[str, float]:
    return {
        "skeleton": time.process_time(),
        "postgres": used_seconds(skeleton.backends),
        "agents": used_seconds(agent.pid for agent in agents),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database", help="URL")
    parser.add_argument("machines", type=int)
    parser.add_argument("order", choices=["forecast", "fifo"])
    parser.add_argument("log", type=Path)
    options = parser.parse_args()
    sys.stdout.write(json.dumps(asyncio.run(run(options, options.log))) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
