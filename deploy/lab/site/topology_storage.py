"""Reading the storage of a site from its topology."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deploy.lab.site.layouts import StorageLayout
from deploy.lab.site.toml_reader import TableReader, TopologyError, unique

MEBIBYTE = 1024**2
DEFAULT_CAPACITY_MIB = 1024**2
DEFAULT_FREE_MIB = 900 * 1024

Reachable = tuple[list[str], Mapping[str, Sequence[str]]]


def read_classifications(table: TableReader) -> tuple[tuple[str, str], ...]:
    """Name and description of each."""
    found = []
    for each in table.tables("storage_classifications"):
        found.append((each.text("name"), each.text("description", "")))
        each.finish()
    unique([name for name, _ in found], table.place("storage_classifications"))
    return tuple(found)


def read_storage(
    table: TableReader, classifications: list[str], name_key: str, reachable: Reachable
) -> StorageLayout:
    """A volume (without ``name_key``) or a share.

    Args:
        table: The table.
        classifications: Those of the site.
        name_key: Key of the name, empty for volumes.
        reachable: Names of all hosts; name of each cluster to its nodes.
    """
    hosts, clusters = reachable
    cluster = table.one_of("cluster", list(clusters), "")
    if cluster and table.has("hosts"):
        raise TopologyError(f"{table.place('hosts')}: are those of the cluster '{cluster}'")
    of_hosts = table.some_of("hosts", hosts) if table.has("hosts") else hosts
    layout = StorageLayout(
        name=table.text(name_key) if name_key else "",
        path=table.text("path"),
        classification=table.one_of("classification", classifications, ""),
        capacity_bytes=table.integer("capacity_mib", DEFAULT_CAPACITY_MIB, least=1) * MEBIBYTE,
        free_bytes=table.integer("free_mib", DEFAULT_FREE_MIB) * MEBIBYTE,
        available_for_placement=table.flag("available_for_placement", default=True),
        hosts=tuple(clusters[cluster] if cluster else of_hosts),
        cluster=cluster,
    )
    table.finish()
    if layout.free_bytes > layout.capacity_bytes:
        raise TopologyError(f"{table.place('free_mib')}: is more than the capacity")
    return layout
