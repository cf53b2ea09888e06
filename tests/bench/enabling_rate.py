"""What enabling protection of 500 machines costs the coordinator, from request to protected.

Runs as a process of its own, with the environment of a running stack; prints JSON.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import django

MACHINES = 500


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "coordinator.config.settings")
    django.setup()
    # Models can be imported only now.
    from coordinator.config import embedded, process_group  # noqa: PLC0415 - see above
    from coordinator.config.celery import make_app  # noqa: PLC0415 - see above
    from coordinator.config.configuration import read_configuration  # noqa: PLC0415 - see above
    from tests.bench.enabling_load import EnablingLoad  # noqa: PLC0415 - see above

    configuration = read_configuration()
    make_app(configuration)
    machines = int(sys.argv[1]) if len(sys.argv) > 1 else MACHINES
    group = process_group.ProcessGroup(
        configuration.state, embedded.socket_folder(configuration.state)
    )
    with tempfile.TemporaryDirectory(prefix="osr-bench-many-") as folder:
        load = EnablingLoad(group, Path(folder))
        with load.paired():
            before, began = load.used(), time.perf_counter()
            request_seconds = load.enable(machines)
            load.finish(machines)
            seconds, after = time.perf_counter() - began, load.used()
    used = {name: after[name] - before[name] for name in before}
    agents = used.pop("agents")
    found = {
        "seconds": seconds,
        "request_seconds": request_seconds,
        "coordinator_seconds": sum(used.values()),
        "worker_ms_a_machine": (used["worker"] + used["worker-failover"]) * 1000 / machines,
        "gateway_ms_a_machine": used["gateway"] * 1000 / machines,
        "request_ms_a_machine": used["request"] * 1000 / machines,
        "database_ms_a_machine": used["postgres"] * 1000 / machines,
        "agents_seconds": agents,
        "most_at_once": load.most_at_once,
    }
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
