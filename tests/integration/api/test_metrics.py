"""What Prometheus scrapes, and the dashboard that asks for it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from coordinator.events.models import AlertDelivery
from coordinator.events.services import EventDraft, raise_event
from coordinator.events.states import EventType, Severity
from coordinator.fabrics.models import Provider
from coordinator.failures import Failure
from coordinator.jobs.models import Job, OutboxMessage
from coordinator.protection.models import ProtectedItem, ReplicationSide
from tests.integration.api.programs import Program
from tests.integration.api.sites import Sites, pair, protect

DASHBOARD = Path(__file__).parents[3] / "deploy/grafana/open-site-recovery.json"
PAGE = Path(__file__).parents[3] / "deploy/docs/alerts.md"

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("EV-2")]


def scrape(program: Program, token: str | None = None) -> requests.Response:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return program.send_bare("GET", "/metrics", headers=headers, params={})


def samples(program: Program) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Values with their labels, by name."""
    scrape(program)
    token = (program.server.state / "secrets/metrics.token").read_text("ascii")
    answer = scrape(program, token)
    assert answer.status_code == 200, answer.text
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def make_everything(sites: Sites) -> None:
    """Something of each kind that is counted."""
    now = timezone.now()
    # However long a test takes: the servers are connected.
    Provider.objects.update(last_heartbeat_at=now + timedelta(hours=1))
    item = protect(pair(sites, now), sites.machines[0], now)
    ProtectedItem.objects.filter(id=item.id).update(replication_health="Critical")
    for location, behind in (("Primary", 500), ("Recovery", 400)):
        ReplicationSide.objects.create(
            item=item,
            location=location,
            observed_at=now - timedelta(seconds=7),
            mode=location,
            state="Replicating",
            observed=b"",
            last_replicated_at=now - timedelta(seconds=behind),
            signature=b"",
            rpo_span=0,
        )
    raise_event(
        EventDraft(
            vault_id=sites.vault.id,
            type=EventType.SERVER_HEALTH,
            severity=Severity.CRITICAL,
            failure=Failure("25018", "Lost."),
            affected_type="Server",
            affected_id="x",
            affected_name="x",
            key="x",
        ),
        now,
    )
    AlertDelivery.objects.create(
        vault=sites.vault, address="a@b.example", content={}, state="Dead", created_at=now
    )
    OutboxMessage.objects.create(
        task="x", queue="failover", created_at=now - timedelta(seconds=90), due_at=now
    )
    Job.objects.create(
        id=uuid4(),
        vault=sites.vault,
        scenario="TestFailover",
        state="Suspended",
        queue="failover",
        created_at=now,
    )


def test_who_has_not_the_token_sees_nothing(program: Program, sites: Sites) -> None:
    for answer in (scrape(program), scrape(program, "wrong"), scrape(program, program.token)):
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "AuthenticationFailed"
        assert "osr_" not in answer.text
    file = program.server.state / "secrets/metrics.token"
    assert file.stat().st_mode & 0o777 == 0o600
    refused = program.send_bare("POST", "/metrics", params={})
    assert refused.status_code == 405


def test_metrics_say_what_the_database_says(program: Program, sites: Sites) -> None:
    make_everything(sites)
    found = samples(program)
    vault = {"vault": sites.vault.name, "vault_id": str(sites.vault.id)}
    assert found["osr_protected_items"] == [
        ({**vault, "state": "Protected", "health": "Critical"}, 1.0)
    ]
    buckets = {labels["le"]: value for labels, value in found["osr_rpo_seconds_bucket"]}
    assert (buckets["300.0"], buckets["3600.0"], buckets["+Inf"]) == (0.0, 1.0, 1.0)
    [(_, worst)] = found["osr_rpo_worst_seconds"]
    assert 400 <= worst < 500
    [(_, oldest)] = found["osr_oldest_report_seconds"]
    assert 7 <= oldest < 300
    servers = {labels["server"]: value for labels, value in found["osr_server_connected"]}
    assert servers == {"VMM-Shanghai": 1.0, "VMM-Beijing": 1.0}
    assert ({**vault, "scenario": "TestFailover", "state": "Suspended"}, 1.0) in found["osr_jobs"]
    assert found["osr_queue_messages"] == [({"queue": "failover"}, 1.0)]
    assert found["osr_queue_oldest_seconds"][0][1] >= 90
    assert ({**vault, "type": "ServerHealth", "severity": "Critical"}, 1.0) in found[
        "osr_events_open"
    ]
    assert found["osr_alerts_undelivered"] == [
        ({**vault, "channel": "email", "state": "Dead"}, 1.0)
    ]


def queries(panel: Any) -> Iterator[str]:
    for target in panel["targets"]:
        yield target["expr"]


def test_the_dashboard_asks_for_metrics_and_labels_there_are(
    program: Program, sites: Sites
) -> None:
    make_everything(sites)
    found = samples(program)
    known = {
        name: {label for labels, _ in values for label in labels} for name, values in found.items()
    }
    # Nothing is under way to a server here.
    known.setdefault("osr_commands", {"vault", "vault_id", "state"})
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    asked = [query for panel in dashboard["panels"] for query in queries(panel)]
    asked += [
        each["definition"] for each in dashboard["templating"]["list"] if "definition" in each
    ]
    assert len(asked) > 15
    for query in asked:
        names = set(re.findall(r"\bosr_\w+", query))
        assert names, query
        assert names <= known.keys(), query
        wanted = set(re.findall(r"(\w+)=~?\"", query))
        for grouped in re.findall(r"by \(([^)]*)\)", query):
            wanted |= {label.strip() for label in grouped.split(",")}
        for name in names:
            assert wanted <= known[name], query


def test_the_documentation_names_every_metric(program: Program, sites: Sites) -> None:
    make_everything(sites)
    page = PAGE.read_text("utf-8")
    for name in samples(program):
        assert re.sub(r"_(bucket|gcount|gsum)$", "", name) in page
