"""The Celery app: how every process reaches the queues, and how workers take from them."""

from __future__ import annotations

from celery import Celery
from kombu import Queue

from coordinator.config.configuration import Configuration
from coordinator.jobs.messages import SWEEP_TASK
from coordinator.jobs.queues import QueueName

# Who only sends must not wait for a broker that has stopped answering.
SENDER_TIMEOUT_SECONDS = 1.0
# A worker blocks in BRPOP for a second at a time.
WORKER_TIMEOUT_SECONDS = 5.0


def broker_url(redis_url: str) -> str:
    """The URL as Celery's transports are named; only Redis' socket files differ."""
    return redis_url.replace("unix://", "redis+socket://", 1)


def make_app(
    configuration: Configuration, socket_timeout_seconds: float = SENDER_TIMEOUT_SECONDS
) -> Celery:
    """The app, made the process's default: what `outbox` and the services send through.

    Args:
        configuration: Says where the broker is and how often to sweep.
        socket_timeout_seconds: How long one exchange with the broker may take.
    """
    # No fixups: Django's would open a new connection to PostgreSQL for every task; the tasks
    # themselves see to it that a broken one is not kept.
    app = Celery("opensiterecovery", broker=broker_url(configuration.redis_url), fixups=[])
    app.conf.update(
        task_queues=[Queue(name) for name in QueueName],
        task_default_queue=QueueName.REPLICATION,
        task_acks_late=True,
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        enable_utc=True,
        # One message at a time and thread, so that an urgent one never waits in a worker's hand.
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            # Queues are emptied in the order a worker names them.
            "queue_order_strategy": "priority",
            "socket_timeout": socket_timeout_seconds,
            "socket_connect_timeout": SENDER_TIMEOUT_SECONDS,
            # Who sends does not try again: the sweep does. Workers reconnect by other settings.
            "max_retries": 0,
        },
        beat_scheduler="coordinator.config.beat:PunctualScheduler",
        beat_schedule={
            "sweep": {
                "task": SWEEP_TASK,
                "schedule": configuration.sweep_seconds,
                # A sweep that was not begun when the next is due is not needed any more.
                "options": {
                    "queue": QueueName.FAILOVER,
                    "expires": 2 * configuration.sweep_seconds,
                },
            }
        },
    )
    app.set_default()
    return app


def worker_arguments(queues: str, concurrency: int) -> list[str]:
    """What Celery's worker command is started with.

    Args:
        queues: Names by commas, most urgent first.
        concurrency: Threads.
    """
    return [
        "worker",
        "--pool=threads",
        f"--concurrency={concurrency}",
        f"--queues={queues}",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
        "--loglevel=WARNING",
    ]
