"""Pages of lists."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

import pytest
from django.http import HttpRequest
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from coordinator.api.paging import page
from coordinator.failures import RefusedError


def get(parameters: Mapping[str, str]) -> HttpRequest:
    return RequestFactory().get(
        "/list", {"api-version": "1", **parameters}, SERVER_NAME="localhost"
    )


def fetch(request: HttpRequest, rows: list[int], page_items: int) -> Mapping[str, object]:
    return page(request, lambda a, b: rows[a:b], lambda row: {"row": row}, page_items=page_items)


@given(st.lists(st.integers(), max_size=30), st.integers(1, 7))
def test_following_the_links_gives_every_row_once_in_order(rows: list[int], size: int) -> None:
    found: list[object] = []
    parameters: dict[str, str] = {"$filter": "state eq 'x'"}
    while True:
        answer = fetch(get(parameters), rows, size)
        value = answer["value"]
        assert isinstance(value, list)
        assert len(value) <= size
        found += [shape["row"] for shape in value]
        link = answer["nextLink"]
        if link is None:
            break
        assert isinstance(link, str)
        assert link.startswith("http")
        parameters = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
        assert parameters["$filter"] == "state eq 'x'"
    assert found == rows


def test_a_client_may_ask_for_less_and_not_for_more() -> None:
    rows = list(range(10))
    assert len(list(fetch(get({"$take": "2"}), rows, 5)["value"])) == 2  # type: ignore[call-overload] # a list
    assert len(list(fetch(get({"$take": "99"}), rows, 5)["value"])) == 5  # type: ignore[call-overload] # a list
    assert len(list(fetch(get({"$take": "9" * 5000}), rows, 5)["value"])) == 5  # type: ignore[call-overload] # a list


def test_both_spellings_of_the_token_are_understood() -> None:
    rows = list(range(4))
    link = str(fetch(get({}), rows, 2)["nextLink"])
    token = parse_qs(urlsplit(link).query)["$skipToken"][0]
    for name in ("skipToken", "$skipToken"):
        assert fetch(get({name: token}), rows, 2)["value"] == [{"row": 2}, {"row": 3}]


@given(st.text())
def test_a_made_up_token_is_refused_or_begins_anew(token: str) -> None:
    try:
        answer = fetch(get({"$skipToken": token}), [1], 5)
    except RefusedError as refused:
        assert refused.field == "$skipToken"  # noqa: PT017 - any other error fails by itself
    else:
        assert answer["nextLink"] is None


@pytest.mark.parametrize("token", ["ZnJvbTotMQ==", "ZnJvbTp4", "eDox", "!"])
def test_tokens_that_are_not_ours_are_refused(token: str) -> None:
    with pytest.raises(RefusedError):
        fetch(get({"$skipToken": token}), [1], 5)
