"""Celery's tasks of the engine: each opens, calls one service, closes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import UUID

from celery import Celery
from django.db import close_old_connections

from coordinator.jobs.domain_tasks import DomainTask, carry_out
from coordinator.jobs.engine import Announce, advance, announce_nothing
from coordinator.jobs.messages import ADVANCE_TASK, DOMAIN_TASK, SWEEP_TASK
from coordinator.jobs.registry import Registry
from coordinator.jobs.sweep import sweep


@contextmanager
def _connection() -> Iterator[None]:
    """A connection to PostgreSQL that is not broken, and is not kept when it broke in here."""
    close_old_connections()
    try:
        yield
    finally:
        close_old_connections()


def register_tasks(
    app: Celery,
    registry: Registry,
    clock: Callable[[], datetime],
    announce: Announce = announce_nothing,
    periods: Mapping[str, timedelta] | None = None,
) -> None:
    """Gives the app the engine's tasks: one advance of a job, and the sweep.

    Args:
        app: The worker's app.
        registry: The functions behind the names in graphs.
        clock: Gives the time, UTC.
        announce: Tells gateways of new commands, see `hints.HintPublisher`.
        periods: By domain task without arguments, how often it begins by itself.
    """

    @app.task(name=ADVANCE_TASK, acks_late=True, ignore_result=True, shared=False)
    def advance_job(job_id: str, *children: str) -> None:
        with _connection():
            advance(UUID(job_id), registry, clock, announce, look=[UUID(each) for each in children])

    @app.task(name=SWEEP_TASK, acks_late=True, ignore_result=True, shared=False)
    def sweep_all() -> None:
        with _connection():
            sweep(clock(), periods)


def register_domain_tasks(
    app: Celery, tasks: Mapping[str, DomainTask], clock: Callable[[], datetime]
) -> None:
    """Gives the app the task that carries out outbox rows.

    Args:
        app: The worker's app.
        tasks: What `outbox.enqueue` may name, for example "protection.finalize"; called with the
            time and the row's arguments, inside a transaction.
        clock: Gives the time, UTC.
    """

    @app.task(name=DOMAIN_TASK, acks_late=True, ignore_result=True, shared=False)
    def carry_out_message(message_id: int) -> None:
        with _connection():
            carry_out(message_id, tasks, clock)
