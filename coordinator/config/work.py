"""The processes that do queued work: workers, the beat of the sweep, and what gateways do of it."""

from __future__ import annotations

from django.utils import timezone

from coordinator.config.celery import WORKER_TIMEOUT_SECONDS, make_app, worker_arguments
from coordinator.config.configuration import Configuration
from coordinator.config.wiring import build_registry, domain_tasks, periods
from coordinator.jobs.hints import HintPublisher
from coordinator.jobs.services import Engine
from coordinator.jobs.tasks import register_domain_tasks, register_tasks


def run_worker(configuration: Configuration, queues: str, concurrency: int) -> None:
    """Takes work from the queues, most urgent first, until stopped."""
    app = make_app(configuration, WORKER_TIMEOUT_SECONDS)
    announce = HintPublisher(configuration.redis_url)
    register_tasks(
        app, build_registry(configuration), timezone.now, announce, periods(configuration)
    )
    register_domain_tasks(app, domain_tasks(configuration), timezone.now)
    app.worker_main(worker_arguments(queues, concurrency))


def gateway_engine(configuration: Configuration) -> Engine:
    """What a gateway brings jobs on with."""
    announce = HintPublisher(configuration.redis_url)
    return Engine(build_registry(configuration), timezone.now, announce)


def run_beat(configuration: Configuration) -> None:
    """Starts the sweep again and again until stopped."""
    make_app(configuration).Beat(loglevel="WARNING", quiet=True).run()
