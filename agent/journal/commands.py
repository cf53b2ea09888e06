"""The commands the agent was given and what came of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from opensiterecovery.provider.v1.command_pb2 import Command, CommandResult

from agent.clock import Clock
from agent.journal.database import Database
from agent.journal.states import (
    UNFINISHED,
    CommandEvent,
    CommandState,
    IllegalTransitionError,
    next_state,
)
from agent.journal.writer import JournalWriter


@dataclass(frozen=True)
class JournalledCommand:
    """A command as the journal holds it."""

    command: Command
    state: CommandState
    received_at: datetime
    result: CommandResult | None


class UnknownCommandError(Exception):
    """The journal has no such command; the caller is wrong."""


class CommandJournal:
    """Every command from its arrival until the coordinator has its result.

    Each method returns after its change is on disk. Methods block for a disk flush; an event
    loop calls them through `writer`. Several threads may call at once.

    Attributes:
        writer: Calls the methods in a thread.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self.writer = JournalWriter(database)
        self._database = database
        self._clock = clock

    def accept(self, command: Command, *, begin: bool = False) -> JournalledCommand | None:
        """Writes a command that was just delivered.

        Args:
            command: As it came.
            begin: Notes at once what `start` notes, if the command is new.

        Returns:
            None when it is new; otherwise the command as it was first delivered, with its
            result if there is one. What a second delivery says is not looked at.

        Idempotent: only the first delivery of an id counts.
        """
        with self._database.transaction() as connection:
            known = _find(connection, command.command_id)
            if known is None:
                now = self._clock().isoformat()
                state = CommandState.STARTED if begin else CommandState.ACCEPTED
                connection.execute(
                    "INSERT INTO commands (command_id, body, state, received_at, started_at)"
                    " VALUES (?, ?, ?, ?, ?)",
                    (
                        command.command_id,
                        command.SerializeToString(),
                        state.value,
                        now,
                        now if begin else None,
                    ),
                )
            return known

    def start(self, command_id: str) -> None:
        """Notes that from now on something may have been done on the fabric.

        Raises:
            IllegalTransitionError: It is finished.
            UnknownCommandError: It was never accepted.
        """
        with self._database.transaction() as connection:
            self._move(connection, command_id, CommandEvent.START)
            connection.execute(
                "UPDATE commands SET started_at = coalesce(started_at, ?) WHERE command_id = ?",
                (self._clock().isoformat(), command_id),
            )

    def finish(self, result: CommandResult) -> None:
        """Keeps the result; from now on the command is never carried out again.

        Raises:
            IllegalTransitionError: It has a result already.
            UnknownCommandError: It was never accepted.
        """
        with self._database.transaction() as connection:
            self._move(connection, result.command_id, CommandEvent.FINISH)
            connection.execute(
                "UPDATE commands SET finished_at = ?, result = ? WHERE command_id = ?",
                (self._clock().isoformat(), result.SerializeToString(), result.command_id),
            )

    def mark_stored(self, command_id: str) -> None:
        """Notes that the coordinator has the result.

        Raises:
            IllegalTransitionError: There is no result yet, so the coordinator cannot have it.
            UnknownCommandError: It was never accepted, or was forgotten long ago.
        """
        with self._database.transaction() as connection:
            self._move(connection, command_id, CommandEvent.STORE)
            connection.execute(
                "UPDATE commands SET stored_at = coalesce(stored_at, ?) WHERE command_id = ?",
                (self._clock().isoformat(), command_id),
            )

    def mark_all_stored(self, command_ids: Collection[str]) -> dict[str, Exception]:
        """Does `mark_stored` for several, in one transaction.

        Returns:
            What it raised, by command; the others are noted all the same.
        """
        refused: dict[str, Exception] = {}
        with self._database.transaction():
            for command_id in command_ids:
                try:
                    self.mark_stored(command_id)
                except (UnknownCommandError, IllegalTransitionError) as error:
                    refused[command_id] = error
        return refused

    def unfinished(self) -> list[JournalledCommand]:
        """What a restarted agent has to carry out, oldest first."""
        return self._in_states(*UNFINISHED)

    def unstored_results(self) -> list[CommandResult]:
        """Results the coordinator has not confirmed, oldest command first."""
        return [
            entry.result
            for entry in self._in_states(CommandState.FINISHED)
            if entry.result is not None
        ]

    def counts(self) -> dict[CommandState, int]:
        """How many commands are in each state; every state is there."""
        with self._database.reading() as connection:
            rows = connection.execute("SELECT state, count(*) FROM commands GROUP BY state")
            found = {CommandState(state): count for state, count in rows}
        return {state: found.get(state, 0) for state in CommandState}

    def prune(self, retention: timedelta) -> int:
        """Forgets commands whose result the coordinator has had for longer than this.

        Returns:
            How many were forgotten.
        """
        limit = (self._clock() - retention).isoformat()
        with self._database.transaction() as connection:
            return connection.execute(
                "DELETE FROM commands WHERE state = ? AND stored_at < ?",
                (CommandState.STORED.value, limit),
            ).rowcount

    def _in_states(self, *states: CommandState) -> list[JournalledCommand]:
        marks = ", ".join("?" for _ in states)
        with self._database.reading() as connection:
            rows = connection.execute(
                # Only question marks are put in.
                f"SELECT body, state, received_at, result FROM commands"  # noqa: S608 (no values)
                f" WHERE state IN ({marks}) ORDER BY received_at, rowid",
                tuple(state.value for state in states),
            ).fetchall()
        return [_entry(row) for row in rows]

    def _move(self, connection: sqlite3.Connection, command_id: str, event: CommandEvent) -> None:
        row = connection.execute(
            "SELECT state FROM commands WHERE command_id = ?", (command_id,)
        ).fetchone()
        if row is None:
            raise UnknownCommandError(command_id)
        connection.execute(
            "UPDATE commands SET state = ? WHERE command_id = ?",
            (next_state(CommandState(row[0]), event).value, command_id),
        )


def _find(connection: sqlite3.Connection, command_id: str) -> JournalledCommand | None:
    row = connection.execute(
        "SELECT body, state, received_at, result FROM commands WHERE command_id = ?",
        (command_id,),
    ).fetchone()
    return None if row is None else _entry(row)


def _entry(row: tuple[bytes, str, str, bytes | None]) -> JournalledCommand:
    body, state, received_at, result = row
    return JournalledCommand(
        command=Command.FromString(body),
        state=CommandState(state),
        received_at=datetime.fromisoformat(received_at),
        result=None if result is None else CommandResult.FromString(result),
    )
