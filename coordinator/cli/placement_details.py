"""Why a machine's replica is where it is, as lines for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def _hosts(item: Any) -> str:
    placement = item.properties.get("placement")
    if placement is None:
        return "-"
    return "\n".join(
        f"{each['host']}{_score(each)}: {', '.join(each['reasons'])}" for each in placement["hosts"]
    )


def _score(host: Mapping[str, Any]) -> str:
    return f" ({host['score']:.1f})" if host["fits"] else " (does not fit)"


def _disks(item: Any) -> str:
    storage = item.properties.get("storagePlacement")
    if storage is None:
        return "-"
    return "\n".join(
        f"{disk['fileName']}: {disk['location']}, {disk['reason']}" for disk in storage["disks"]
    )


PLACEMENT_DETAILS: Mapping[str, Callable[[Any], str]] = {
    "Recovery hosts": _hosts,
    "Storage": _disks,
}
