"""A database that is away for a moment is told so that clients ask again."""

from __future__ import annotations

import json

import pytest
from django.db import DatabaseError, InterfaceError, OperationalError
from django.test import RequestFactory

from coordinator.api.application import on_database_away


@pytest.mark.spec("AP-2")
@pytest.mark.parametrize("error", [OperationalError("gone"), InterfaceError("closed")], ids=str)
def test_a_database_that_restarts_is_no_fault_but_something_to_wait_for(
    error: DatabaseError,
) -> None:
    answer = on_database_away(RequestFactory().post("/subscriptions/x"), error)
    told = json.loads(answer.content)["error"]
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    assert told["code"] == "ServiceUnavailable"
    assert "gone" not in answer.content.decode()
