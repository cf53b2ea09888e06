"""An agent of the skeleton: waits as told, and says so."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path

import grpc

from tests.bench.plan.action_log import END, START, ActionLog
from tests.bench.plan.workload import Machine, make_machines

SERVICE, METHOD = "bench.Skeleton", "Act"


@cache
def machines(count: int) -> list[Machine]:
    return make_machines(count)


async def serve(log: ActionLog) -> None:
    """Listens on a port, which it prints, and does what comes."""

    async def act(request: bytes, _context: object) -> AsyncIterator[bytes]:
        count, number, action = map(int, request.split())
        log.write(START, number, action)
        await asyncio.sleep(machines(count)[number].seconds[action])
        log.write(END, number, action)
        yield b"done"

    server = grpc.aio.server()
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_stream_rpc_method_handler(act)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(ActionLog(Path(sys.argv[1]))))
