"""Work for workers that is written with the change that calls for it, and kept until it is done."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from coordinator.jobs.messages import DOMAIN_TASK, send, send_after_commit
from coordinator.jobs.models import OutboxMessage
from coordinator.jobs.queues import QueueName

# After so long without being done, work is asked for again.
ASK_AGAIN_SECONDS = 10
RELAY_LIMIT = 500


def enqueue(task: str, queue: QueueName, *arguments: object, now: datetime) -> None:
    """Has a worker call a registered domain task, soon after the transaction commits.

    The row stays until the task's own transaction deletes it, so the work is done once whatever
    dies, and losing the broker with all its data only delays it.

    Args:
        task: Name the task was registered under, for example "protection.finalize".
        queue: Which work goes first.
        arguments: JSON values for the task.
        now: Time of the change.
    """
    message = OutboxMessage.objects.create(
        task=task,
        queue=queue,
        arguments=list(arguments),
        created_at=now,
        due_at=now + timedelta(seconds=ASK_AGAIN_SECONDS),
    )
    send_after_commit(DOMAIN_TASK, queue, message.pk)


def relay(now: datetime) -> int:
    """Asks workers again for what is due and still here.

    Returns:
        How many messages were sent.
    """
    sent = 0
    with transaction.atomic():
        due = (
            OutboxMessage.objects.select_for_update(skip_locked=True)
            .filter(due_at__lte=now)
            .order_by("due_at")[:RELAY_LIMIT]
        )
        asked = []
        for message in due:
            if not send(DOMAIN_TASK, message.queue, message.pk):
                break
            asked.append(message.pk)
            sent += 1
        OutboxMessage.objects.filter(pk__in=asked).update(
            due_at=now + timedelta(seconds=ASK_AGAIN_SECONDS)
        )
    return sent
