"""People with passwords, and their browsers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

import pytest
from django.utils import timezone

from coordinator.access.services import (
    READER,
    PersonDraft,
    RoleDefinition,
    create_person,
    ensure_command_client,
)
from tests.integration.api.people.browser import Browser
from tests.integration.api.programs import Program, Server


@dataclass(frozen=True)
class Somebody:
    """A person and the password."""

    id: UUID
    name: str
    password: str
    tenant_id: str


@pytest.fixture
def make_person(program: Program) -> Callable[..., Somebody]:
    """Makes people of the program's subscription."""
    ensure_command_client()

    def make(
        name: str = "ada", email: str = "ada@example.org", role: RoleDefinition | None = READER
    ) -> Somebody:
        draft = PersonDraft(name, email, UUID(program.tenant_id), UUID(program.subscription_id))
        person, password = create_person(draft, timezone.now(), role=role)
        return Somebody(person.id, name, password.reveal(), program.tenant_id)

    return make


@pytest.fixture
def ada(make_person: Callable[..., Somebody]) -> Somebody:
    """A reader of the subscription."""
    return make_person()


@pytest.fixture
def browser(server: Server) -> Iterator[Browser]:
    opened = Browser(server)
    yield opened
    opened.close()
