"""Many requests of one vault at once, one of them for very many machines: all are in its audit."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from django.utils import timezone

from coordinator.events.audit.checking import verify_chain
from coordinator.events.audit.queries import find_chain
from coordinator.events.audit.services import ensure_signer
from coordinator.events.models import AuditRecord
from coordinator.jobs.models import Job
from coordinator.vaults.models import Vault
from tests.integration.api.programs import Program
from tests.integration.api.sites import Sites, make_machine, pair

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("EV-3")]

MACHINES = 60
CLIENTS = 8
EACH = 6


def test_requests_at_once_are_all_recorded_and_none_waits_for_ever(
    program: Program, sites: Sites, vault: Vault
) -> None:
    pair(sites, timezone.now())
    machines = [make_machine(sites.gold1, f"VM{number}") for number in range(MACHINES)]
    container = (
        f"{program.vault_path}/replicationFabrics/{sites.shanghai.name}"
        f"/replicationProtectionContainers/{sites.gold1.external_id}"
    )
    wanted = [
        {"protectableItemId": f"{container}/replicationProtectableItems/{machine.external_id}"}
        for machine in machines
    ]
    assert program.token
    begin = threading.Barrier(CLIENTS + 1)

    def enable() -> list[int]:
        begin.wait(60)
        body = {"properties": {"machines": wanted}}
        path = f"{container}/enableProtection"
        answer = program.send("POST", path, json=body, timeout=300)
        assert [one["status"] for one in answer.json()["value"]] == ["Accepted"] * MACHINES
        return [answer.status_code]

    def change(client: int) -> list[int]:
        begin.wait(60)
        return [
            send(program, "PATCH", "", {"tags": {str(client): str(number)}})
            if number % 2
            else send(program, "POST", "/registrationKeys", {})
            for number in range(EACH)
        ]

    with ThreadPoolExecutor(CLIENTS + 1) as clients:
        bulk = clients.submit(enable)
        others = [clients.submit(change, client) for client in range(CLIENTS)]
        statuses = Counter(status for each in [bulk, *others] for status in each.result())
    assert statuses == {200: 1 + CLIENTS * EACH // 2, 201: CLIENTS * EACH // 2}
    assert Job.objects.count() == MACHINES

    records = AuditRecord.objects.filter(chain__vault_id=vault.id)
    outcomes = Counter(records.values_list("outcome", flat=True))
    assert outcomes == {"Begun": 1, "Succeeded": 1 + CLIENTS * EACH}
    chain = find_chain(vault.id)
    assert chain is not None
    key = ensure_signer(Path(program.server.state) / "ca").public
    assert verify_chain(chain.id, key).finding is None


def send(program: Program, method: str, path: str, body: object) -> int:
    answer: requests.Response = program.send(
        method, program.vault_path + path, json=body, timeout=300
    )
    return answer.status_code
