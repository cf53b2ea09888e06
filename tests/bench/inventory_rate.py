"""What 10,000 machines cost from PowerShell to PostgreSQL: all of them, then one in a hundred.

Runs as a process of its own, with the environment of a stack; prints JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime

import django

MACHINES = 10_000
CHANGED_SHARE = 0.01


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "coordinator.config.settings")
    django.setup()
    machines = int(sys.argv[1]) if len(sys.argv) > 1 else MACHINES
    sys.stdout.write(json.dumps(asyncio.run(run(machines))) + "\n")
    return 0


async def run(machines: int) -> Mapping[str, float]:
    """One run: everything, nothing, one in a hundred; beside it reading and writing alone."""
    # Models can be imported only after Django is set up.
    from agent.fabric.discovery import MACHINES as MACHINE_QUESTIONS  # noqa: PLC0415 - see above
    from agent.fabric.discovery import Vmm  # noqa: PLC0415 - see above
    from agent.powershell.pool import PowerShellPool  # noqa: PLC0415 - see above
    from tests.bench.inventory_load import Way, copy_seconds, make_fabric  # noqa: PLC0415
    from tests.bench.powershell_in_process import starting  # noqa: PLC0415 - see above
    from tests.bench.synthetic_vmm import SyntheticVmm  # noqa: PLC0415 - see above

    vmm = SyntheticVmm(machines)
    pool = PowerShellPool(starting(vmm))
    began = time.perf_counter()
    await Vmm(pool).ask(*MACHINE_QUESTIONS)
    raw_read_seconds = time.perf_counter() - began
    way = Way(pool, await asyncio.to_thread(make_fabric, uuid.uuid4().hex, datetime.now(UTC)))
    first = await way.look()
    nothing = await way.look()
    vmm.change(range(0, machines, round(1 / CHANGED_SHARE)))
    changed = await way.look()
    raw_copy_seconds = await asyncio.to_thread(copy_seconds, way.fabric_id)
    await pool.close()
    return {
        "raw_read_seconds": raw_read_seconds,
        "raw_copy_seconds": raw_copy_seconds,
        **{f"first_{name}": value for name, value in first.items()},
        **{f"nothing_{name}": value for name, value in nothing.items()},
        **{f"changed_{name}": value for name, value in changed.items()},
    }


if __name__ == "__main__":
    sys.exit(main())
