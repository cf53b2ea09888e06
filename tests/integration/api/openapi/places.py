"""Furnished vaults: a new one for each operation, with something under every name of an address."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import requests

from coordinator.access.models import ServicePrincipal
from coordinator.access.services import OWNER, READER, Scope, assign_role, create_principal
from coordinator.api.shapes.vaults import vault_ids
from coordinator.events.models import AlertDelivery, Event, Webhook
from coordinator.events.services import EventDraft, raise_event
from coordinator.events.states import EventType, Severity
from coordinator.fabrics.models import FabricObject
from coordinator.failures import Failure
from coordinator.protection.models import BandwidthLimit, ProtectedItem, StorageMapping
from coordinator.recovery.models import Drill, PlanRevision, RecoveryPlan
from coordinator.vaults.models import RegistrationKey, Vault
from tests.integration.api.bad_input.scene import furnish, names_in
from tests.integration.api.programs import API_VERSION, Server
from tests.integration.api.sites import Sites

# The narrowest that is in an address says where its roles are.
PLACES = ("roleDefinitions", "vault_name", "resource_group", "subscription_id", "")
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Place:
    """A vault with something in it.

    Attributes:
        names: What stands for the names in addresses.
        roles: What stands for the name of a role, by a word of the address.
        texts: What stands for the texts in braces of examples of requests.
    """

    names: Mapping[str, str]
    roles: Mapping[str, str]
    texts: Mapping[str, str]

    def names_for(self, path: str) -> dict[str, str]:
        """What stands for the names of an address of the document."""
        names = dict(self.names)
        if "/replicationAlertSettings/" in path:
            names |= {"setting_name": "defaultAlertSetting", "delivery_name": names["mail_name"]}
        place = next(word for word in PLACES if word in path)
        return {**names, "role_name": self.roles.get(place, "nothing")}

    def fill(self, value: object) -> object:
        """Replaces the texts in braces of a JSON value."""
        text = json.dumps(value)
        for name, known in self.texts.items():
            text = text.replace(f"{{{name}}}", known)
        return json.loads(text)


@dataclass(frozen=True)
class Callers:
    """Who asks: an Owner and a Reader of one subscription, and somebody without a token."""

    server: Server
    subscription_id: UUID
    owner_id: UUID
    owner: requests.Session
    reader: requests.Session
    stranger: requests.Session

    def close(self) -> None:
        for session in (self.owner, self.reader, self.stranger):
            session.close()


def make_callers(server: Server, now: datetime) -> Callers:
    """Programs with tokens, whose sessions keep their connections."""
    tenant, subscription = uuid4(), uuid4()
    principals, sessions = [], []
    for role in (OWNER, READER):
        client_id, secret = create_principal(tenant, subscription, "tests", now, role=role)
        principals.append(ServicePrincipal.objects.get(application__client_id=client_id).id)
        session = _session(server)
        answer = session.post(
            f"{server.url}/{tenant}/oauth2/v2.0/token",
            data={
                "grant_type": "client_credentials",
                "client_id": client_id,
                "client_secret": secret.reveal(),
                "scope": f"{server.url}/.default",
            },
            timeout=60,
        )
        session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        sessions.append(session)
    owner, reader = sessions
    return Callers(server, subscription, principals[0], owner, reader, _session(server))


def _session(server: Server) -> requests.Session:
    session = requests.Session()
    # Else the environment's certificates would be asked instead.
    session.trust_env = False
    session.verify = str(server.ca_file)
    return session


def make_place(callers: Callers, now: datetime) -> Place:
    """A vault of the callers' subscription that nobody has used."""
    sites = furnish(callers.subscription_id, f"Vault-{next(_numbers)}", now)
    vault = sites.vault
    texts = names_in(sites, now)
    path = vault_ids(vault).id
    names = {
        "subscription_id": str(vault.subscription_id),
        "resource_group": vault.resource_group,
        "vault_name": vault.name,
        "fabric_name": sites.shanghai.name,
        "provider_name": sites.shanghai.name,
        "container_name": texts["gold1"],
        "protectable_item_name": texts["machine"],
        "mapping_name": "Pair-1",
        "item_name": texts["item"],
        "point_name": "point-1",
        "network_name": "sh2",
        "network_mapping_name": "Map-2",
        "recovery_network_name": "bj1",
        "storage_classification_name": texts["gold"],
        "policy_name": "Policy-1",
        "plan_name": "Plan-1",
        "number": "1",
        "job_name": texts["job"],
        "action_name": texts["job"],
        "setting_name": "default",
        "health_name": "Default",
        "record_name": "1",
        **dict(_more(sites, texts, now)),
    }
    principal = str(callers.owner_id)
    other = path.replace(vault.name, "Vault-0")
    texts = {**texts, "vault": path, "other": other, "principal": principal}
    # So that the audit has a record.
    changed = callers.owner.patch(
        f"{callers.server.url}{path}", json={"tags": {}}, params=API_VERSION, timeout=60
    )
    changed.raise_for_status()
    return Place(names, _roles(vault, now), texts)


def _roles(vault: Vault, now: datetime) -> dict[str, str]:
    """By a word of the address: a role, and what somebody has in each place there can be one."""
    client_id, _ = create_principal(uuid4(), vault.subscription_id, "tests", now, role=None)
    somebody = ServicePrincipal.objects.get(application__client_id=client_id).id
    scopes = {
        "vault_name": Scope(vault.subscription_id, vault=vault),
        "resource_group": Scope(vault.subscription_id, vault.resource_group),
        "subscription_id": Scope(vault.subscription_id),
    }
    given = {
        word: str(assign_role(scope, READER.id, somebody, by="tests", now=now).id)
        for word, scope in scopes.items()
    }
    return {"roleDefinitions": str(READER.id), **given}


def _more(sites: Sites, texts: Mapping[str, str], now: datetime) -> Iterator[tuple[str, str]]:
    """What only a reader of everything meets."""
    vault = sites.vault
    StorageMapping.objects.create(
        vault=vault,
        name="storage",
        source_fabric=sites.shanghai,
        source_external_id=texts["gold"],
        target_fabric=sites.beijing,
        target_external_id=texts["gold_target"],
        created_at=now,
    )
    yield "storage_mapping_name", "storage"
    BandwidthLimit.objects.create(
        vault=vault,
        fabric=sites.shanghai,
        name="nights",
        time_zone="UTC",
        bits_per_second=10_000_000,
        windows=[
            {"days": ["Monday"], "start": "08:00", "end": "18:00", "bits_per_second": 1_000_000}
        ],
        changed_at=now,
    )
    yield "limit_name", "nights"
    FabricObject.objects.create(
        vault=vault,
        fabric=sites.shanghai,
        kind="logical_network",
        external_id="ln1",
        name="LogicalNetwork1-Shanghai",
        details={"name": "LogicalNetwork1-Shanghai", "network_virtualization": True},
    )
    yield "logical_network_name", "ln1"
    key = RegistrationKey.objects.create(
        vault=vault,
        secret_hash=b"x" * 32,
        created_at=now,
        created_by="tests",
        expires_at=now + timedelta(days=5),
        max_uses=2,
    )
    yield "key_name", str(key.id)
    yield "event_name", str(_event(sites, now).id)
    plan = RecoveryPlan.objects.get(vault=vault)
    PlanRevision.objects.create(plan=plan, number=1, groups=[], saved_by="tests", saved_at=now)
    webhook = Webhook.objects.create(
        vault=vault,
        name="hook",
        url="https://hooks.example/osr",
        sealed_secret=b"x",
        created_at=now,
        created_by="tests",
    )
    yield "webhook_name", "hook"
    delivery = AlertDelivery.objects.create(
        vault=vault,
        webhook=webhook,
        content={"kind": "Test", "total": 1},
        state="Dead",
        created_at=now,
        finished_at=now,
        problem="Nobody answered.",
    )
    yield "delivery_name", str(delivery.id)
    mail = AlertDelivery.objects.create(
        vault=vault,
        address="ops@example.com",
        content={"kind": "Test", "total": 1},
        state="Dead",
        created_at=now,
        finished_at=now,
        problem="Nobody answered.",
    )
    yield "mail_name", str(mail.id)
    item = ProtectedItem.objects.get(vault=vault)
    Drill.objects.create(
        vault=vault,
        item=item,
        item_name=item.friendly_name,
        location="Recovery",
        host="hv1.beijing.example",
        network_type="NoNetworkAttachAsInput",
        outcome="Completed",
        started_at=now - timedelta(hours=2),
        active_at=now - timedelta(hours=1),
        ended_at=now,
    )


def _event(sites: Sites, now: datetime) -> Event:
    return raise_event(
        EventDraft(
            vault_id=sites.vault.id,
            type=EventType.SERVER_HEALTH,
            severity=Severity.CRITICAL,
            failure=Failure("25018", "It is not connected.", ("The site is down.",), "Look."),
            affected_type="Server",
            affected_id=str(sites.shanghai.id),
            affected_name="VMM-Shanghai",
            fabric_name=sites.shanghai.name,
            key="server-lost",
        ),
        now,
    )
