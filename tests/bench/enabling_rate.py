"""What enabling protection of 500 machines costs the coordinator, from request to protected.

Runs as a process of its own, with the environment of a running stack; prints JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time

import django

MACHINES = 500


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "coordinator.config.settings")
    django.setup()
    # Models can be imported only now.
    from coordinator.config.celery import make_app  # noqa: PLC0415 - see above
    from coordinator.config.configuration import read_configuration  # noqa: PLC0415 - see above
    from tests.bench.enabling_load import (  # noqa: PLC0415 - see above
        EnablingLoad,
        database_seconds,
        worker_seconds,
    )

    make_app(read_configuration())
    machines = int(sys.argv[1]) if len(sys.argv) > 1 else MACHINES
    load = EnablingLoad()
    load.pair()
    workers, database = worker_seconds(), database_seconds()
    own = time.process_time() - load.stub_seconds
    began = time.perf_counter()
    request_seconds = load.enable(machines)
    load.finish(machines)
    seconds = time.perf_counter() - began
    own = time.process_time() - load.stub_seconds - own
    workers = worker_seconds() - workers
    database = database_seconds() - database
    found = {
        "seconds": seconds,
        "request_seconds": request_seconds,
        "worker_ms_a_machine": workers * 1000 / machines,
        "edge_ms_a_machine": own * 1000 / machines,
        "database_ms_a_machine": database * 1000 / machines,
        "coordinator_seconds": workers + own + database,
        "most_at_once": load.most_at_once,
    }
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
