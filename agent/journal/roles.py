"""Which copies of protected machines may run here, as the coordinator said last."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from opensiterecovery.provider.v1 import role_pb2

from agent.journal.database import Database


class CopyRole(StrEnum):
    """The wire's Role; see role.proto."""

    ACTIVE = "ACTIVE"
    HELD = "HELD"
    REPLICA = "REPLICA"
    # Also of what a newer coordinator may say: nothing is started, nothing is held.
    UNDECIDED = "UNDECIDED"


_ROLES = {
    role_pb2.ROLE_ACTIVE: CopyRole.ACTIVE,
    role_pb2.ROLE_HELD: CopyRole.HELD,
    role_pb2.ROLE_REPLICA: CopyRole.REPLICA,
}
_COLUMNS = (
    "vm_id, location, item_id, host, epoch, role, start_action, start_delay_seconds,"
    " adapters, held, released_epoch, assigned"
)


@dataclass(frozen=True)
class Adapter:
    """An adapter of a held copy and the switch it was taken off."""

    adapter_id: str
    name: str
    switch_name: str


@dataclass(frozen=True)
class KnownCopy:
    """A copy at this fabric.

    Attributes:
        location: "Primary" or "Recovery".
        item_id: The protection its role is of.
        host: FQDN, as the coordinator knows it.
        start_action: Its owner's AutomaticStartAction; empty while the coordinator does not know.
        adapters: What was taken off its switches when it was held; None when nothing was.
        held: It was seen off, and connected to nothing.
        released_epoch: A person released it in this epoch: it is not held again before the next.
        assigned: False: the coordinator has it no more; what was set on its host is taken back.
    """

    vm_id: str
    location: str
    item_id: str
    host: str
    epoch: int
    role: CopyRole
    start_action: str
    start_delay_seconds: int
    adapters: tuple[Adapter, ...] | None
    held: bool
    released_epoch: int
    assigned: bool

    @property
    def to_be_held(self) -> bool:
        return self.role is CopyRole.HELD and self.released_epoch != self.epoch


class RoleStore:
    """Keeps the newest role of each copy; each change is on disk when its method returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def replace(self, assignments: Iterable[role_pb2.RoleAssignment]) -> None:
        """Takes over all that the coordinator has for this fabric.

        Of the same protection an older epoch than is known is not heeded. Copies that are not
        named are kept, marked, until what was set on their hosts is taken back.
        """
        with self._database.transaction() as connection:
            known = {(copy.vm_id, copy.location): copy for copy in _read(connection)}
            connection.execute("UPDATE roles SET assigned = 0")
            for assignment in assignments:
                key = (assignment.vm_id.lower(), assignment.location)
                _assign(connection, key, assignment, known.get(key))

    def copies(self) -> list[KnownCopy]:
        """All of them, those that are no longer assigned too."""
        with self._database.reading() as connection:
            return _read(connection)

    def find(self, vm_id: str, location: str) -> KnownCopy | None:
        """One copy as it is now."""
        copies = (copy for copy in self.of_machine(vm_id) if copy.location == location)
        return next(copies, None)

    def of_machine(self, vm_id: str) -> list[KnownCopy]:
        """A machine's copies at this fabric: one, or both when one VMM manages both sides."""
        with self._database.reading() as connection:
            return _read(connection, "WHERE vm_id = ?", vm_id.lower())

    def epoch(self, vm_id: str) -> int:
        """The newest epoch known of a machine; 0 when nothing is."""
        return max((copy.epoch for copy in self.of_machine(vm_id) if copy.assigned), default=0)

    def raise_epoch(self, vm_id: str, epoch: int) -> None:
        """A command is of a newer epoch: its roles are unknown until they are assigned."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE roles SET epoch = ?, role = ? WHERE vm_id = ? AND epoch < ?",
                (epoch, CopyRole.UNDECIDED, vm_id.lower(), epoch),
            )

    def remember_adapters(self, copy: KnownCopy, adapters: Iterable[Adapter]) -> None:
        """Notes what is about to be taken off its switches."""
        kept = json.dumps([vars(adapter) for adapter in adapters])
        self._set(copy, "adapters = ?", kept)

    def mark_held(self, copy: KnownCopy, *, held: bool) -> None:
        """It was seen off, and connected to nothing; or that will not be true for long."""
        self._set(copy, "held = ?", int(held))

    def forget_hold(self, copy: KnownCopy) -> None:
        """Its adapters are where they were."""
        self._set(copy, "adapters = NULL, held = ?", 0)

    def release(self, copy: KnownCopy) -> None:
        """A person decided that it is not to be held in this epoch."""
        self._set(copy, "released_epoch = ?", copy.epoch)

    def forget(self, copy: KnownCopy) -> None:
        """What was set on its host is taken back; does nothing when it was assigned again."""
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM roles WHERE vm_id = ? AND location = ? AND assigned = 0",
                (copy.vm_id, copy.location),
            )

    def _set(self, copy: KnownCopy, change: str, value: object) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                # Only column names of this module are put in.
                f"UPDATE roles SET {change} WHERE vm_id = ? AND location = ?",  # noqa: S608 (no values)
                (value, copy.vm_id, copy.location),
            )


def _assign(
    connection: sqlite3.Connection,
    key: tuple[str, str],
    assignment: role_pb2.RoleAssignment,
    known: KnownCopy | None,
) -> None:
    same = known is not None and known.item_id == assignment.item_id
    if known is not None and same and assignment.epoch < known.epoch:
        connection.execute("UPDATE roles SET assigned = 1 WHERE vm_id = ? AND location = ?", key)
        return
    told = json.dumps(
        [
            vars(Adapter(each.adapter_id, each.name, each.switch_name))
            for each in assignment.held_adapters
        ]
    )
    connection.execute(
        f"INSERT INTO roles ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 1)"  # noqa: S608 (no values)
        " ON CONFLICT (vm_id, location) DO UPDATE SET"
        " held = CASE WHEN item_id = excluded.item_id THEN held ELSE 0 END,"
        " released_epoch ="
        " CASE WHEN item_id = excluded.item_id THEN released_epoch ELSE 0 END,"
        " item_id = excluded.item_id, host = excluded.host, epoch = excluded.epoch,"
        " role = excluded.role, start_action = excluded.start_action,"
        " start_delay_seconds = excluded.start_delay_seconds,"
        " adapters = coalesce(adapters, excluded.adapters), assigned = 1",
        (
            *key,
            assignment.item_id,
            assignment.host,
            assignment.epoch,
            _ROLES.get(assignment.role, CopyRole.UNDECIDED),
            assignment.automatic_start_action,
            assignment.automatic_start_delay.seconds,
            told if assignment.held_adapters else None,
        ),
    )


def _read(connection: sqlite3.Connection, where: str = "", *values: object) -> list[KnownCopy]:
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM roles {where} ORDER BY vm_id, location",  # noqa: S608 (no values)
        values,
    ).fetchall()
    return [_copy(row) for row in rows]


def _copy(row: tuple[Any, ...]) -> KnownCopy:
    adapters = row[8]
    return KnownCopy(
        vm_id=row[0],
        location=row[1],
        item_id=row[2],
        host=row[3],
        epoch=row[4],
        role=CopyRole(row[5]),
        start_action=row[6],
        start_delay_seconds=row[7],
        adapters=(
            None if adapters is None else tuple(Adapter(**each) for each in json.loads(adapters))
        ),
        held=bool(row[9]),
        released_epoch=row[10],
        assigned=bool(row[11]),
    )
