"""A Celery worker, set up as ours are, whose one task does nothing but count."""

from __future__ import annotations

import itertools
import os
import sys

import django
from celery.signals import worker_ready


def main() -> None:
    django.setup()
    from kombu import Queue  # noqa: PLC0415 - Django is set up now

    from coordinator.config.celery import (  # noqa: PLC0415 - Django is set up now
        WORKER_TIMEOUT_SECONDS,
        make_app,
        worker_arguments,
    )
    from coordinator.config.configuration import read_configuration  # noqa: PLC0415 - likewise

    app = make_app(read_configuration(), WORKER_TIMEOUT_SECONDS)
    app.conf.task_queues = [*app.conf.task_queues, Queue("bench")]
    done = itertools.count(1)

    @app.task(name="bench.no_op", acks_late=True, ignore_result=True)
    def no_op(number: int, last: int) -> None:
        del number
        if next(done) == last:
            print("done", flush=True)

    @worker_ready.connect
    def ready(**_: object) -> None:
        print("ready", flush=True)

    sys.stdout = os.fdopen(os.dup(1), "w")
    app.worker_main(["--quiet", *worker_arguments("bench", 4)])


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "coordinator.config.settings")
    main()
