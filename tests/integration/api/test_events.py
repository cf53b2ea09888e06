"""Events, with Microsoft's client and `osr events`."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from django.utils import timezone

from coordinator.events.models import Event
from coordinator.events.services import EventDraft, clear_event, raise_event
from coordinator.events.states import EventType, Severity
from coordinator.failures import Failure
from tests.integration.api.programs import Program
from tests.integration.api.sites import Sites

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("EV-1", "AP-1")]


@pytest.fixture
def lost(sites: Sites) -> Event:
    return raise_event(
        EventDraft(
            vault_id=sites.vault.id,
            type=EventType.SERVER_HEALTH,
            severity=Severity.CRITICAL,
            failure=Failure(
                "25018", "VMM-Shanghai is not connected.", ("The site is down.",), "Fail over."
            ),
            affected_type="Server",
            affected_id=str(sites.shanghai.id),
            affected_name="VMM-Shanghai",
            fabric_name=sites.shanghai.name,
            key="server-lost",
        ),
        timezone.now() - timedelta(minutes=1),
    )


@pytest.fixture
def failed_job(sites: Sites) -> Event:
    event = raise_event(
        EventDraft(
            vault_id=sites.vault.id,
            type=EventType.JOB_STATUS,
            severity=Severity.CRITICAL,
            code="JobFailed",
            failure=Failure("Broken", "It failed.", ("A cause.",), "Restart it."),
            affected_type="ProtectionEntity",
            affected_id="item",
            affected_name="GoldVM1",
            key=f"job:{uuid4()}",
        ),
        timezone.now() - timedelta(hours=2),
    )
    clear_event(sites.vault.id, event.key, timezone.now())
    return event


def listed(program: Program, wanted: str | None = None) -> list[Any]:
    return list(program.site_recovery.replication_events.list(*program.scope, filter=wanted))


def test_an_event_says_four_things_in_asrs_shape(
    program: Program, sites: Sites, lost: Event
) -> None:
    [found] = listed(program)
    properties = found.properties
    assert (properties.event_type, properties.severity) == ("ServerHealth", "Critical")
    assert properties.event_code == "25018"
    assert properties.affected_object_friendly_name == "VMM-Shanghai"
    assert properties.fabric_id.endswith(f"/replicationFabrics/{sites.shanghai.name}")
    assert properties.time_of_occurrence == lost.occurred_at
    assert properties["timeOfClearing"] is None
    [error] = properties.health_errors
    assert (error.error_code, error.possible_causes, error.recommended_action) == (
        "25018",
        "The site is down.",
        "Fail over.",
    )
    got = program.site_recovery.replication_events.get(*program.scope, found.name)
    assert got.id == found.id


def test_a_failed_jobs_event_names_the_job(program: Program, failed_job: Event) -> None:
    [found] = listed(program)
    details = found.properties.event_specific_details
    assert details.instance_type == "JobStatus"
    assert details.job_id.endswith(failed_job.key.removeprefix("job:"))
    assert found.properties["timeOfClearing"] is not None


def test_events_are_filtered_as_asr_filters_them(
    program: Program, lost: Event, failed_job: Event
) -> None:
    hour_ago = (timezone.now() - timedelta(hours=1)).isoformat()
    for wanted, expected in (
        (None, [lost, failed_job]),
        ("severity eq 'Critical'", [lost, failed_job]),
        ("severity eq 'Warning'", []),
        ("eventType eq 'jobstatus'", [failed_job]),
        ("eventCode eq '25018'", [lost]),
        ("affectedObjectFriendlyName eq 'GoldVM1'", [failed_job]),
        ("affectedObjectCorrelationId eq 'item'", [failed_job]),
        (f"startTime eq '{hour_ago}'", [lost]),
        (f"endTime eq '{hour_ago}' and severity eq 'Critical'", [failed_job]),
        ("isOpen eq 'true'", [lost]),
    ):
        names = [event.name for event in listed(program, wanted)]
        assert names == [str(event.id) for event in expected], wanted


@pytest.mark.parametrize(
    "wanted",
    ["severity eq 'Bad'", "eventType eq 'x'", "startTime eq 'x'", "isOpen eq '1'", "colour eq 'x'"],
)
def test_a_filter_that_means_nothing_is_refused(
    program: Program, sites: Sites, wanted: str
) -> None:
    with pytest.raises(HttpResponseError) as refused:
        listed(program, wanted)
    assert refused.value.status_code == 400
    assert refused.value.error is not None
    assert refused.value.error.code == "InvalidFilter"


@pytest.mark.parametrize("name", ["3b1c7f0e-5d2a-4c8e-9a41-6f0d2b7e8c95", "none"])
def test_an_event_that_is_not_there_is_not_found(program: Program, sites: Sites, name: str) -> None:
    with pytest.raises(ResourceNotFoundError):
        program.site_recovery.replication_events.get(*program.scope, name)


def test_osr_lists_what_is_open_and_shows_what_to_do(
    program: Program, lost: Event, failed_job: Event
) -> None:
    told = program.osr("events", "list")
    assert told.returncode == 0, told.stderr
    assert str(lost.id) in told.stdout
    assert str(failed_job.id) not in told.stdout
    everything = json.loads(program.osr("events", "list", "--all", "--json").stdout)
    assert {event["name"] for event in everything} == {str(lost.id), str(failed_job.id)}
    about = json.loads(
        program.osr("events", "list", "--object", "GoldVM1", "--all", "--json").stdout
    )
    assert [event["name"] for event in about] == [str(failed_job.id)]
    shown = program.osr("events", "show", str(lost.id))
    assert "The site is down." in shown.stdout
    assert "Fail over." in shown.stdout
