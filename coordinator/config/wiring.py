"""Which functions stand behind the names that graphs and outbox rows use."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from coordinator.access import steps as access
from coordinator.config import alerts
from coordinator.config.configuration import Configuration
from coordinator.events import steps as events
from coordinator.jobs import services as jobs
from coordinator.jobs.domain_tasks import DomainTask
from coordinator.jobs.registry import Registry
from coordinator.protection import steps as protection
from coordinator.recovery import steps as recovery


def build_registry(configuration: Configuration) -> Registry:
    """Everything the engine may call, from every domain."""
    authority_folder = configuration.state / "ca"
    return Registry(
        records={**jobs.RECORDS, **protection.records(authority_folder), **recovery.RECORDS},
        conditions={**protection.CONDITIONS, **recovery.CONDITIONS},
        finishers={**protection.FINISHERS, **recovery.FINISHERS},
        escalations=recovery.ESCALATIONS,
        restarters=recovery.RESTARTERS,
    )


def domain_tasks(configuration: Configuration) -> Mapping[str, DomainTask]:
    """Everything an outbox row may name."""
    alerting = events.tasks(
        lambda: alerts.telling(configuration), lambda: alerts.sending(configuration)
    )
    return {**protection.TASKS, **recovery.TASKS, **alerting, **access.TASKS}


def periods(configuration: Configuration) -> Mapping[str, timedelta]:
    """Which of them begin by themselves, and how often."""
    del configuration
    return {
        **protection.PERIODIC,
        **recovery.PERIODIC,
        **events.PERIODIC,
        **access.PERIODIC,
    }
