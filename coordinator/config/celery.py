"""Celery: the connection to the broker every process has, and the programs of workers and beat."""

from __future__ import annotations

from celery import Celery
from django.utils import timezone

from coordinator.config.configuration import Configuration
from coordinator.config.wiring import build_registry, domain_tasks
from coordinator.jobs.hints import HintPublisher
from coordinator.jobs.messages import SWEEP_TASK
from coordinator.jobs.queues import QueueName
from coordinator.jobs.tasks import register_domain_tasks, register_tasks

# A broker that does not answer costs a caller this long at most; the sweep repeats what it missed.
BROKER_TIMEOUT_SECONDS = 1.0


def broker_url(redis_url: str) -> str:
    """The URL as Celery spells it: a Redis behind a socket has another scheme there."""
    if redis_url.startswith("unix://"):
        return "redis+socket://" + redis_url.removeprefix("unix://")
    return redis_url


def connect(configuration: Configuration) -> Celery:
    """Makes the app that messages are sent through, and the default of this process."""
    app = Celery("coordinator", broker=broker_url(configuration.redis_url), set_as_current=True)
    app.set_default()
    app.conf.update(
        accept_content=["json"],
        task_ignore_result=True,
        task_default_queue=QueueName.REPLICATION,
        task_create_missing_queues=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "socket_timeout": BROKER_TIMEOUT_SECONDS,
            "socket_connect_timeout": BROKER_TIMEOUT_SECONDS,
            # Queues are emptied in the order a worker was given them, not in turn.
            "queue_order_strategy": "priority",
        },
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        enable_utc=True,
        timezone="UTC",
        beat_schedule={
            "sweep": {
                "task": SWEEP_TASK,
                "schedule": configuration.sweep_seconds,
                # Sweeps that nobody took must not pile up.
                "options": {"queue": QueueName.FAILOVER, "expires": configuration.sweep_seconds},
            }
        },
    )
    return app


def run_worker(configuration: Configuration, queues: str, concurrency: int) -> None:
    """Takes work from the queues, most urgent first, until stopped."""
    app = connect(configuration)
    announce = HintPublisher(configuration.redis_url)
    register_tasks(app, build_registry(configuration), timezone.now, announce)
    register_domain_tasks(app, domain_tasks(configuration), timezone.now)
    app.worker_main(
        [
            "worker",
            f"--queues={queues}",
            f"--concurrency={concurrency}",
            "--pool=threads",
            "--loglevel=warning",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
        ]
    )


def run_beat(configuration: Configuration) -> None:
    """Starts the sweep again and again until stopped."""
    app = connect(configuration)
    schedule = configuration.state / "run" / "beat-schedule"
    schedule.parent.mkdir(mode=0o700, exist_ok=True)
    app.Beat(schedule=str(schedule), loglevel="warning", quiet=True).run()
