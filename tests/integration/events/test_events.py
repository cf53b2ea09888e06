"""Events on PostgreSQL: open once, cleared, forgotten."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from coordinator.events.models import Event
from coordinator.events.queries import EventFilters, events_of, find_event
from coordinator.events.services import (
    KEPT,
    WARNINGS_KEPT,
    EventDraft,
    clear_event,
    clear_events_about,
    forget_fabric_events,
    note_event,
    prune_events,
    raise_event,
    raise_events,
)
from coordinator.events.states import HEALTH_CHANGED, EventType, Severity
from coordinator.failures import Failure
from coordinator.vaults.models import Vault

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
pytestmark = [pytest.mark.django_db, pytest.mark.spec("EV-1")]


@pytest.fixture
def vault() -> Vault:
    return Vault.objects.create(
        subscription_id=uuid4(), resource_group="g", name="v", location="here", created_at=NOW
    )


@pytest.fixture
def draft(vault: Vault) -> EventDraft:
    return EventDraft(
        vault_id=vault.id,
        type=EventType.VM_HEALTH,
        severity=Severity.WARNING,
        failure=Failure("OldPrimaryHeld", "It is held.", ("Its site is back.",), "Decide."),
        affected_type="ProtectionEntity",
        affected_id="item-1",
        affected_name="App1",
        fabric_name="fabric-1",
        key="held:item-1",
    )


def test_an_event_is_raised_once_while_it_is_open(draft: EventDraft) -> None:
    first = raise_event(draft, NOW)
    again = raise_event(replace(draft, severity=Severity.CRITICAL), NOW + timedelta(hours=1))
    assert again.id == first.id
    assert Event.objects.get().occurred_at == NOW
    assert first.code == "OldPrimaryHeld"
    assert first.failure == draft.failure.as_json()


def test_what_was_over_may_happen_again(draft: EventDraft) -> None:
    first = raise_event(draft, NOW)
    assert clear_event(draft.vault_id, draft.key, NOW + timedelta(minutes=1))
    assert not clear_event(draft.vault_id, draft.key, NOW + timedelta(minutes=2))
    second = raise_event(draft, NOW + timedelta(minutes=3))
    assert second.id != first.id
    assert [event.id for event in events_of(draft.vault_id)] == [second.id, first.id]
    open_ones = events_of(draft.vault_id, EventFilters(only_open=True))
    assert [event.id for event in open_ones] == [second.id]


def test_many_are_raised_at_once_each_once(draft: EventDraft) -> None:
    raise_event(draft, NOW)
    other = replace(draft, key="held:item-2")
    found = raise_events([draft, other, draft], NOW)
    assert [event.key for event in found] == [draft.key, other.key, draft.key]
    assert Event.objects.count() == 2
    assert raise_events([], NOW) == []


def test_events_are_found_by_what_they_are_about(draft: EventDraft) -> None:
    kept = raise_event(draft, NOW)
    raise_event(
        replace(
            draft,
            type=EventType.SERVER_HEALTH,
            severity=Severity.CRITICAL,
            affected_name="VMM-1",
            affected_id="fabric",
            fabric_name="fabric-2",
            key="server",
            code="25018",
        ),
        NOW + timedelta(hours=1),
    )
    for filters in (
        EventFilters(type="vmhealth"),
        EventFilters(severity="warning"),
        EventFilters(code="oldprimaryheld"),
        EventFilters(affected="app1"),
        EventFilters(affected_id="item-1"),
        EventFilters(fabric_name="fabric-1"),
        EventFilters(until=NOW + timedelta(minutes=1)),
    ):
        assert [event.id for event in events_of(draft.vault_id, filters)] == [kept.id], filters
    assert events_of(draft.vault_id, EventFilters(since=NOW + timedelta(minutes=1))).count() == 1


def test_another_vault_sees_nothing(draft: EventDraft) -> None:
    event = raise_event(draft, NOW)
    stranger = uuid4()
    assert list(events_of(stranger)) == []
    assert find_event(stranger, event.id) is None
    assert not clear_event(stranger, draft.key, NOW)


def test_what_is_gone_has_no_open_events(draft: EventDraft) -> None:
    raise_event(draft, NOW)
    assert clear_events_about(draft.vault_id, "item-1", NOW) == 1
    assert not events_of(draft.vault_id, EventFilters(only_open=True)).exists()


@pytest.mark.spec("PV-1")
def test_what_is_kept_about_a_server_goes_with_it(draft: EventDraft) -> None:
    raise_event(draft, NOW)
    raise_event(replace(draft, key="other", fabric_name="fabric-2"), NOW)
    forget_fabric_events(draft.vault_id, "fabric-1")
    assert [event.key for event in events_of(draft.vault_id)] == ["other"]


def test_what_was_over_for_long_is_forgotten(draft: EventDraft) -> None:
    raise_event(draft, NOW)
    raise_event(replace(draft, key="over"), NOW)
    clear_event(draft.vault_id, "over", NOW)
    raise_event(replace(draft, key="job", type=EventType.JOB_STATUS), NOW)
    prune_events(NOW + KEPT - timedelta(seconds=1))
    assert Event.objects.count() == 3
    prune_events(NOW + KEPT + timedelta(seconds=1))
    assert [event.key for event in Event.objects.all()] == [draft.key]


def test_warnings_of_machines_health_are_forgotten_sooner(draft: EventDraft) -> None:
    warning = replace(draft, code=HEALTH_CHANGED)
    for each in (warning, replace(warning, severity=Severity.CRITICAL, key="critical")):
        raise_event(each, NOW)
        clear_event(each.vault_id, each.key, NOW)
    prune_events(NOW + WARNINGS_KEPT - timedelta(seconds=1))
    assert Event.objects.count() == 2
    prune_events(NOW + WARNINGS_KEPT + timedelta(seconds=1))
    assert [event.key for event in Event.objects.all()] == ["critical"]


def test_what_only_happened_stands_open_never(draft: EventDraft) -> None:
    for _ in range(2):
        note_event(draft, NOW)
    assert Event.objects.filter(key=draft.key, cleared_at=NOW).count() == 2
    assert not events_of(draft.vault_id, EventFilters(only_open=True)).exists()
