"""Which deliveries of alerts a request asks for."""

from __future__ import annotations

from django.http import HttpRequest

from coordinator.api.filters import parse_filter, unknown_value
from coordinator.events.alerting.states import DeliveryState


def read_state(request: HttpRequest) -> str:
    """The state that `$filter` asks for; "" for any.

    Raises:
        RefusedError: It is none, or something else is asked for.
    """
    word = parse_filter(request.GET.get("$filter", ""), ("state",)).get("state", "")
    known = {state.value.lower(): state.value for state in DeliveryState}
    if word and word.lower() not in known:
        raise unknown_value("state", word, known.values())
    return known.get(word.lower(), "")
