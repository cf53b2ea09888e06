"""How long the API takes to list, get and begin, with 50 clients, beside a plain Django view.

Runs as a process of its own, with the environment of a running stack; prints JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import django

if TYPE_CHECKING:
    from tests.bench.api_load import Request, Target

MACHINES = 25_000
CLIENTS = 50
# Requests of each kind.
LISTS, GETS, BEGINS, CONSTANTS = 300, 2_000, 1_000, 5_000
WARM_UP = 100


@contextmanager
def plain_server() -> Iterator[str]:
    """Django alone behind the same server with the same certificate; gives its endpoint."""
    # Django is set up, and so are these.
    from django.conf import settings  # noqa: PLC0415 - see above

    from coordinator.config.stack import free_port  # noqa: PLC0415 - see above
    from tests.bench.api_load import wait_until_served  # noqa: PLC0415 - see above

    configuration = settings.CONFIGURATION
    port, folder = free_port(), configuration.state / "ca"
    endpoint = f"https://{configuration.api_host}:{port}"
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "uvicorn", "tests.bench.plain_view:application"),
            *("--host", configuration.api_host, "--port", str(port), "--lifespan", "off"),
            *("--ssl-certfile", str(folder / "server.pem")),
            *("--ssl-keyfile", str(folder / "server.key")),
            *("--log-level", "critical", "--no-access-log", "--no-server-header"),
        ]
    )
    try:
        wait_until_served(f"{endpoint}/constant")
        yield endpoint
    finally:
        server.terminate()
        server.wait()


async def measure(target: Target, plain: str) -> dict[str, float]:
    from tests.bench.api_load import connected, facts, take_times  # noqa: PLC0415 - see above

    def constants() -> Iterator[Request]:
        while True:
            yield "GET", "/constant", None

    def pages() -> Iterator[Request]:
        return target.requests("replicationProtectedItems")

    found: dict[str, float] = {}
    for name, endpoint, requests, count in (
        ("constant", plain, constants, CONSTANTS),
        ("list", target.endpoint, pages, LISTS),
        ("get", target.endpoint, target.gets, GETS),
        ("begin", target.endpoint, target.begins, BEGINS),
    ):
        # Each with connections of its own: the server closes those that have nothing to do.
        if name != "begin":
            async with connected(endpoint, target.token, CLIENTS) as clients:
                await take_times(clients, requests(), WARM_UP)
        async with connected(endpoint, target.token, CLIENTS) as clients:
            began = time.perf_counter()
            taken = await take_times(clients, requests(), count)
            found |= facts(name, taken, time.perf_counter() - began)
    return found


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "coordinator.config.settings")
    django.setup()
    # Models can be imported only now.
    from coordinator.config import installation  # noqa: PLC0415 - see above
    from tests.bench.api_load import make_target  # noqa: PLC0415 - see above

    installation.wait_until_installed()
    machines = int(sys.argv[1]) if len(sys.argv) > 1 else MACHINES
    target = make_target(machines)
    with plain_server() as plain:
        found = asyncio.run(measure(target, plain))
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
