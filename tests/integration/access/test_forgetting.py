"""What is over goes by itself, what is not stays; owners who cannot act do not count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from oauth2_provider.models import AccessToken, Application, RefreshToken

from coordinator.access.guesses import count_wrong_guess, locked_until, person_guessing
from coordinator.access.guessing import LIMITS, Subject
from coordinator.access.models import ClientSecret, RoleAssignment, ServicePrincipal, WrongGuesses
from coordinator.access.services import (
    OWNER,
    PersonDraft,
    create_person,
    create_principal,
    disable_person,
    ensure_command_client,
    remove_assignment,
    rotate_secret,
)
from coordinator.access.steps import forget
from coordinator.failures import RefusedError

pytestmark = [pytest.mark.django_db, pytest.mark.spec("AC-1", "AC-2")]

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_sessions_tokens_secrets_and_counts_that_are_over_go() -> None:
    ensure_command_client()
    client_id, _ = create_principal(uuid4(), uuid4(), "robot", NOW)
    rotate_secret(client_id, NOW, overlap=HOUR)
    osr = Application.objects.get(client_id="osr")
    user = User.objects.create_user("ada")
    for number, end in enumerate((NOW + HOUR, NOW + 3 * HOUR)):
        Session.objects.create(session_key=f"key-{number}", session_data="", expire_date=end)
        AccessToken.objects.create(application=osr, token=f"token-{number}", expires=end)
    refreshable = AccessToken.objects.create(
        application=osr, user=user, token="old", expires=NOW + HOUR
    )
    refresh = RefreshToken.objects.create(
        application=osr, user=user, token="refresh", access_token=refreshable
    )
    RefreshToken.objects.filter(pk=refresh.pk).update(created=NOW)
    count_wrong_guess(person_guessing("ada", "192.0.2.1"), NOW)

    forget(NOW + 2 * HOUR)
    forget(NOW + 2 * HOUR)
    assert Session.objects.get().session_key == "key-1"
    assert AccessToken.objects.count() == 2
    assert RefreshToken.objects.exists()
    assert ClientSecret.objects.count() == 1
    assert WrongGuesses.objects.count() == 2

    forget(NOW + 48 * HOUR)
    assert not Session.objects.exists()
    assert not AccessToken.objects.exists()
    assert not WrongGuesses.objects.exists()


def test_an_address_that_guesses_many_names_is_locked_but_not_this_machine() -> None:
    for number in range(LIMITS[Subject.ADDRESS]):
        for address in ("192.0.2.1", "127.0.0.1", "::1"):
            count_wrong_guess(person_guessing(f"name-{number}", address), NOW)
    assert locked_until(person_guessing("ada", "192.0.2.1"), NOW) is not None
    assert locked_until(person_guessing("ada", "192.0.2.2"), NOW) is None
    assert locked_until(person_guessing("ada", "127.0.0.1"), NOW) is None


def test_owners_who_cannot_act_do_not_count_as_owners() -> None:
    tenant, subscription = uuid4(), uuid4()
    create_person(PersonDraft("ada", "", tenant, subscription), NOW, role=OWNER)
    gone, _ = create_principal(tenant, subscription, "gone", NOW)
    ServicePrincipal.objects.get(application__client_id=gone).application.delete()
    last, _ = create_principal(tenant, subscription, "last", NOW)
    principal = ServicePrincipal.objects.get(application__client_id=last)
    assignment = RoleAssignment.objects.get(principal_id=principal.id)
    disable_person("ada")
    with pytest.raises(RefusedError, match="last Owner"):
        remove_assignment(assignment)
    create_person(PersonDraft("grace", "", tenant, subscription), NOW, role=OWNER)
    remove_assignment(assignment)
    assert not RoleAssignment.objects.filter(pk=assignment.pk).exists()
