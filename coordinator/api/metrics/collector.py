"""What the database says, as metrics: any process gives the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from uuid import UUID

from prometheus_client.core import GaugeHistogramMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from coordinator.events.queries import open_events, undelivered_alerts
from coordinator.fabrics import queries as fabrics
from coordinator.jobs.queries import jobs_by_state, open_commands, waiting_messages
from coordinator.protection.queries import (
    RPO_LIMITS_SECONDS,
    items_by_state,
    oldest_reports,
    rpo_counts,
)
from coordinator.vaults.models import Vault

# Vaults of one name may be in several groups: the id tells them apart.
VAULT = ("vault", "vault_id")


class CoordinatorCollector(Collector):
    """Asks the database once for each scrape."""

    def __init__(self, now: datetime, lease_seconds: float) -> None:
        """Makes a collector for one scrape.

        Args:
            now: The time.
            lease_seconds: A server not heard of for so long is lost.
        """
        self._now = now
        self._lease_seconds = lease_seconds

    def collect(self) -> Iterator[Metric]:
        """Every metric there is; those that count nothing are there without a value."""
        names = _Names()
        names.update(
            (vault.id, (vault.name, str(vault.id))) for vault in Vault.objects.only("name")
        )
        yield from self._items(names)
        yield from self._servers(names)
        yield from self._jobs(names)
        yield from _events(names)

    def _items(self, names: Mapping[UUID, tuple[str, str]]) -> Iterator[Metric]:
        yield _counted(
            "osr_protected_items",
            "Protected machines.",
            ("state", "health"),
            ((names[vault], labels, count) for vault, *labels, count in items_by_state()),
        )
        rpo = GaugeHistogramMetricFamily(
            "osr_rpo_seconds",
            "How far the replicas of protected machines are behind.",
            labels=VAULT,
        )
        worst = GaugeMetricFamily(
            "osr_rpo_worst_seconds", "How far the one is that is furthest behind.", labels=VAULT
        )
        for found in rpo_counts(self._now):
            edges = [str(float(limit)) for limit in RPO_LIMITS_SECONDS]
            buckets = [*zip(edges, found.within, strict=True), ("+Inf", found.machines)]
            rpo.add_metric(names[found.vault_id], buckets, found.total_seconds)
            worst.add_metric(names[found.vault_id], found.worst_seconds)
        yield rpo
        yield worst
        yield _counted(
            "osr_oldest_report_seconds",
            "Age of the oldest thing known of a machine that replicates.",
            (),
            ((names[vault], (), self._age(at)) for vault, at in oldest_reports()),
        )

    def _servers(self, names: Mapping[UUID, tuple[str, str]]) -> Iterator[Metric]:
        connected = GaugeMetricFamily(
            "osr_server_connected",
            "Whether the provider of a VMM server is connected.",
            labels=(*VAULT, "server"),
        )
        silent = GaugeMetricFamily(
            "osr_server_silent_seconds",
            "How long nothing was heard of a VMM server's provider.",
            labels=(*VAULT, "server"),
        )
        inventory = GaugeMetricFamily(
            "osr_inventory_age_seconds",
            "How long ago a VMM server's inventory changed or was confirmed.",
            labels=(*VAULT, "server"),
        )
        for provider in fabrics.registered_providers():
            labels = (*names[provider.vault_id], provider.fabric.friendly_name)
            is_here = fabrics.is_connected(provider, self._now, self._lease_seconds)
            connected.add_metric(labels, float(is_here))
            if provider.last_heartbeat_at is not None:
                silent.add_metric(labels, self._age(provider.last_heartbeat_at))
            if provider.fabric.inventory_at is not None:
                inventory.add_metric(labels, self._age(provider.fabric.inventory_at))
        yield connected
        yield silent
        yield inventory

    def _jobs(self, names: Mapping[UUID, tuple[str, str]]) -> Iterator[Metric]:
        yield _counted(
            "osr_jobs",
            "Jobs that have not ended, or began in the last 24 hours.",
            ("scenario", "state"),
            ((names[vault], labels, count) for vault, *labels, count in jobs_by_state(self._now)),
        )
        yield _counted(
            "osr_commands",
            "Commands to servers that have no result.",
            ("state",),
            ((names[vault], labels, count) for vault, *labels, count in open_commands()),
        )
        messages = GaugeMetricFamily(
            "osr_queue_messages", "Work that was promised and is not done.", labels=("queue",)
        )
        oldest = GaugeMetricFamily(
            "osr_queue_oldest_seconds", "Age of the oldest of it.", labels=("queue",)
        )
        for queue, count, since in waiting_messages():
            messages.add_metric((queue,), count)
            oldest.add_metric((queue,), self._age(since))
        yield messages
        yield oldest

    def _age(self, time: datetime) -> float:
        return max(0.0, (self._now - time).total_seconds())


class _Names(dict[UUID, tuple[str, str]]):
    """Labels of vaults; one that was made since they were read has its id only."""

    def __missing__(self, vault_id: UUID) -> tuple[str, str]:
        return "", str(vault_id)


def _events(names: Mapping[UUID, tuple[str, str]]) -> Iterator[Metric]:
    yield _counted(
        "osr_events_open",
        "Events that are not over.",
        ("type", "severity"),
        ((names[vault], labels, count) for vault, *labels, count in open_events()),
    )
    yield _counted(
        "osr_alerts_undelivered",
        "Alerts that are tried again (Pending) or were given up (Dead).",
        ("channel", "state"),
        ((names[vault], labels, count) for vault, *labels, count in undelivered_alerts()),
    )


def _counted(
    name: str,
    help_text: str,
    labels: tuple[str, ...],
    rows: Iterable[tuple[tuple[str, str], Iterable[str], float]],
) -> Metric:
    family = GaugeMetricFamily(name, help_text, labels=(*VAULT, *labels))
    for vault, values, value in rows:
        family.add_metric((*vault, *values), value)
    return family
