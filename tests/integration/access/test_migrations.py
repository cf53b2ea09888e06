"""What programs of an earlier release become."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import StateApps
from oauth2_provider.models import Application

from coordinator.access.client_secrets import hash_secret, opens
from coordinator.access.models import ServicePrincipal
from coordinator.access.queries import rights_in
from coordinator.secret import Secret

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("AC-1", "AC-2")]

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def before(transactional_db: None) -> Iterator[StateApps]:
    """The tables before there were roles and secrets that end."""
    del transactional_db
    executor = MigrationExecutor(connection)
    leaves = [leaf for leaf in executor.loader.graph.leaf_nodes() if leaf[1]]
    executor.migrate([("access", "0001_initial")])
    yield executor.loader.project_state([("access", "0001_initial")]).apps
    MigrationExecutor(connection).migrate(leaves)


def test_a_program_keeps_its_secret_and_everything_it_could_do(before: StateApps) -> None:
    subscription = uuid4()
    application = Application.objects.create(
        client_id="old",
        client_secret=hash_secret(Secret("its secret")),
        hash_client_secret=False,
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
    )
    before.get_model("access", "ServicePrincipal").objects.create(
        tenant_id=uuid4(),
        application_id=application.pk,
        display_name="old",
        subscription_id=subscription,
        created_at=NOW,
    )
    executor = MigrationExecutor(connection)
    executor.migrate([leaf for leaf in executor.loader.graph.leaf_nodes() if leaf[0] == "access"])
    principal = ServicePrincipal.objects.select_related("application").get()
    rights = rights_in(principal.id, subscription)
    assert rights.allow("Microsoft.RecoveryServices/vaults/delete", "group-1", uuid4())
    assert not rights_in(principal.id, uuid4()).allow("Microsoft.RecoveryServices/vaults/read")
    now = datetime.now(UTC)
    place = principal.application.client_secret
    assert opens("its secret", place, now)
    assert not opens("another", place, now)
    [secret] = principal.client_secrets.all()
    assert 700 < (secret.expires_at - now).days <= 730
    assert isinstance(principal.id, UUID)
