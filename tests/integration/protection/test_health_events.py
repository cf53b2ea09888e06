"""Events of machines' health and of providers' certificates."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest

from coordinator.events.models import Event
from coordinator.events.queries import EventFilters, events_of
from coordinator.fabrics.models import Provider
from coordinator.protection.models import ProtectedItem
from coordinator.protection.replication.health_events import tell_health
from coordinator.protection.roles.servers import watch_servers
from tests.integration.protection.world import World

pytestmark = [pytest.mark.django_db, pytest.mark.spec("EV-1")]

ERRORS: Mapping[str, str] = {"Critical": "Error", "Warning": "Warning"}


def become(world: World, item: ProtectedItem, health: str) -> list[Event]:
    """The machine's health changes; gives the events that are open then."""
    before = {item.id: item.replication_health}
    item.replication_health = health
    item.health_errors = [
        {
            "errorLevel": level,
            "errorCode": f"HVR{level}",
            "errorMessage": f"It is {level}.",
            "possibleCauses": "A cause.\nAnother.",
            "recommendedAction": "Look.",
        }
        for level in ("Warning", "Error")
    ]
    tell_health([item], before, world.now)
    return list(events_of(world.vault.id, EventFilters(only_open=True)))


def test_the_event_of_a_machine_follows_its_health(world: World) -> None:
    item = world.protect()
    item.replication_health = "Normal"
    for health in ("Warning", "Critical", "Warning"):
        [event] = become(world, item, health)
        assert (event.code, event.severity, event.type) == (
            "SRSVMHealthChanged",
            health,
            "VmHealth",
        )
        assert event.failure["code"] == f"HVR{ERRORS[health]}"
        assert f"It is {ERRORS[health]}." in event.failure["message"]
        assert event.failure["possibleCauses"] == ["A cause.", "Another."]
        assert event.affected_name == item.friendly_name
        assert become(world, item, health) == [event]
        world.pass_(1)
    assert become(world, item, "Normal") == []
    assert Event.objects.count() == 3


def test_a_certificate_that_was_not_renewed_is_told_of_until_it_is(world: World) -> None:
    providers = Provider.objects.all()
    providers.update(certificate_not_after=world.now + timedelta(days=8))
    watch_servers(world.now)
    assert not Event.objects.exists()
    one = providers.order_by("name")[0]
    providers.filter(id=one.id).update(certificate_not_after=world.now + timedelta(days=6))
    for _ in range(2):
        watch_servers(world.now)
    event = Event.objects.get()
    assert (event.code, event.type, event.severity) == (
        "ProviderCertificateEnding",
        "AgentHealth",
        "Warning",
    )
    assert event.affected_name == one.fabric.friendly_name
    providers.filter(id=one.id).update(certificate_not_after=world.now + timedelta(days=30))
    watch_servers(world.now)
    event.refresh_from_db()
    assert event.cleared_at == world.now
