"""Recovery plans in the API's words, and in those of files."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from coordinator.cli.apply.kinds import Kind
from coordinator.cli.apply.plan_words import groups_for_api, groups_for_file, seconds_of
from coordinator.cli.apply.resources import resource_of
from tests.unit.cli.apply.documents_for_tests import SPECS

pytestmark = pytest.mark.spec("UI-2", "RP-1")


@given(SPECS[Kind.RECOVERY_PLAN])
def test_there_and_back_is_identity(given_spec: dict[str, Any]) -> None:
    spec = resource_of(Kind.RECOVERY_PLAN, "Shop", given_spec).spec
    groups = groups_for_api(spec, lambda name: f"/{name}")
    servers = {"primaryServer": spec["primaryServer"], "recoveryServer": spec["recoveryServer"]}
    back = {**servers, **groups_for_file(groups, lambda id_: id_.removeprefix("/"))}
    assert resource_of(Kind.RECOVERY_PLAN, "Shop", back).spec == spec


def test_durations_are_seconds() -> None:
    assert seconds_of("PT1H1M30S") == 3690
    assert seconds_of("PT10M") == 600
    assert seconds_of(None) is None
