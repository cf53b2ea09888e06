"""Runs plans by the product; a process of its own with the environment of a running stack.

Prints a line of JSON a run.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import django


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("machines", type=int, nargs="+")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "coordinator.config.settings")
    django.setup()
    # Models can be imported only now.
    from coordinator.config import embedded, installation, process_group  # noqa: PLC0415 - see above
    from coordinator.config.celery import make_app  # noqa: PLC0415 - see above
    from coordinator.config.configuration import read_configuration  # noqa: PLC0415 - see above
    from tests.bench.plan.figures import facts  # noqa: PLC0415 - see above
    from tests.bench.plan.product import Bench  # noqa: PLC0415 - see above

    configuration = read_configuration()
    make_app(configuration)
    installation.wait_until_installed()
    group = process_group.ProcessGroup(
        configuration.state, embedded.socket_folder(configuration.state)
    )
    bench = Bench(group, Path(tempfile.mkdtemp(prefix="osr-bench-agents-")))
    with bench.ready():
        for count in options.machines:
            run = bench.run(count)
            found = facts(run.machines, run.record, run.asked_at, run.processor_seconds)
            found["redis_bytes_an_action"] = run.redis_bytes / (5 * count)
            found["begin_seconds"] = run.begin_seconds
            found["to_the_job_s_end"] = run.ended_at - run.asked_at
            sys.stdout.write(json.dumps(found) + "\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
