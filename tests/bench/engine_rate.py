"""Steps the engine carries out a second, beside no-op tasks a second of the same Celery.

Runs as a process of its own, with the environment of a stack; prints JSON.
"""

from __future__ import annotations

import json
import os
import sys

import django


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "coordinator.config.settings")
    django.setup()
    # Models can be imported only now.
    from coordinator.config.celery import make_app  # noqa: PLC0415 - see above
    from coordinator.config.configuration import read_configuration  # noqa: PLC0415 - see above
    from tests.bench import engine_load  # noqa: PLC0415 - see above

    make_app(read_configuration())
    rates = {"steps": engine_load.steps_a_second(), "no_ops": engine_load.no_ops_a_second()}
    print(json.dumps(rates))
    return 0


if __name__ == "__main__":
    sys.exit(main())
