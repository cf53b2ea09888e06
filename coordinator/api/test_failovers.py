"""Routes of test failover: begin one, clean up, look at those there were."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest
from ninja import Path, Router
from pydantic import Field

from coordinator.api.addresses import ItemPath
from coordinator.api.bodies import RequestPart
from coordinator.api.calls import Answer, Call, open_vault, served
from coordinator.api.failovers import (
    FailoverInputProperties,
    PointInput,
    read_direction,
    read_point,
    read_tag,
)
from coordinator.api.long_operations import accepted
from coordinator.api.openapi.bodies import words
from coordinator.api.paging import page
from coordinator.api.paths import LOGICAL_NETWORK, NETWORK, PROTECTED_ITEM
from coordinator.api.protected_items import require_item
from coordinator.api.references import names_in_reference
from coordinator.api.responses import begins, lists
from coordinator.api.shapes.protected_items import protected_item_id
from coordinator.api.shapes.test_failovers import TestOfMachine, drill_shape
from coordinator.failures import refuse
from coordinator.recovery.test_failover.queries import drills_of_item
from coordinator.recovery.test_failover.services import (
    DrillOptions,
    NetworkChoice,
    clean_up_test_failover,
)
from coordinator.recovery.test_failover.services import (
    begin_test_failover as begin,
)

router = Router()

LONGEST_COMMENT = 1024


class TestNetworkProperties(FailoverInputProperties):
    """Which way, and what the test virtual machines are connected to."""

    networkType: Annotated[str, words(*NetworkChoice)] | None = None  # noqa: N815 - the API's name
    networkId: str | None = None  # noqa: N815 - the API's name


class TestFailoverInputProperties(TestNetworkProperties):
    """Also from which point."""

    providerSpecificDetails: PointInput | None = None  # noqa: N815 - the API's name


class TestFailoverInput(RequestPart):
    """A test failover."""

    properties: TestFailoverInputProperties = TestFailoverInputProperties()


class TestFailoverCleanupInputProperties(RequestPart):
    """What whoever cleans up has to say."""

    comments: Annotated[str, Field(max_length=LONGEST_COMMENT)] | None = None


class TestFailoverCleanupInput(RequestPart):
    """A clean-up."""

    properties: TestFailoverCleanupInputProperties = TestFailoverCleanupInputProperties()


@router.post(f"{PROTECTED_ITEM}/testFailover", response=begins())
@served
def begin_test_failover(
    request: HttpRequest, path: Path[ItemPath], body: TestFailoverInput | None = None
) -> Answer:
    """Begins to test a machine on the side it does not run on; without a network by default."""
    call = open_vault(request, path)
    item = require_item(call, path)
    wanted = TestFailoverInputProperties() if body is None else body.properties
    point = wanted.providerSpecificDetails or PointInput()
    choice = read_network_type(wanted.networkType)
    options = DrillOptions(
        direction=read_direction(wanted),
        network=choice,
        network_id=read_network(call, choice, wanted.networkId),
        recovery_tag=read_tag(point.recoveryTag),
        recovery_point_id=read_point(call, item, point.recoveryPointId),
    )
    item_id = protected_item_id(call.ids, item)
    return accepted(call, item_id, begin(item, options, call.origin(item_id), call.now))


@router.post(f"{PROTECTED_ITEM}/testFailoverCleanup", response=begins())
@served
def begin_test_failover_cleanup(
    request: HttpRequest, path: Path[ItemPath], body: TestFailoverCleanupInput | None = None
) -> Answer:
    """Begins to remove what a test made; the comments are kept with the test."""
    call = open_vault(request, path)
    item = require_item(call, path)
    comments = (body.properties.comments if body is not None else None) or ""
    item_id = protected_item_id(call.ids, item)
    job = clean_up_test_failover(item, comments, call.origin(item_id), call.now)
    return accepted(call, item_id, job)


@router.get(f"{PROTECTED_ITEM}/testFailovers", response=lists(TestOfMachine))
@served
def list_test_failovers(request: HttpRequest, path: Path[ItemPath]) -> Answer:
    """The tests of a machine, newest first, with their notes. Beyond ASR."""
    call = open_vault(request, path)
    rows = drills_of_item(require_item(call, path).id)
    return page(
        request,
        lambda start, end: list(rows[start:end]),
        lambda drill: drill_shape(call.ids, drill),
    )


def read_network_type(word: str | None) -> NetworkChoice:
    """ASR's networkType; no network when there is none.

    Raises:
        RefusedError: It is another word.
    """
    if not word:
        return NetworkChoice.NONE
    for choice in NetworkChoice:
        if choice.value.lower() == word.lower():
            return choice
    names = ", ".join(choice.value for choice in NetworkChoice)
    raise refuse(
        "InvalidNetworkType",
        f"The value '{word}' of networkType is not allowed.",
        causes=[f"networkType must be one of {names}."],
        action="Give one of these, or none for a test without a network.",
        field="networkType",
    )


def read_network(call: Call, choice: NetworkChoice, reference: str | None) -> str:
    """VMM's id of the network that a request names by its resource id, or by that id itself.

    Raises:
        RefusedError: It is the resource id of something else.
    """
    if choice is NetworkChoice.NONE or not reference:
        return ""
    if "/" not in reference:
        return reference
    if choice is NetworkChoice.EXISTING:
        return names_in_reference(call, NETWORK, reference, "networkId")["network_name"]
    names = names_in_reference(call, LOGICAL_NETWORK, reference, "networkId")
    return names["logical_network_name"]
