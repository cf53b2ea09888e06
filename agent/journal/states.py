"""States of a command in the journal, as a table."""

from __future__ import annotations

from enum import Enum


class CommandState(Enum):
    """How far a command is; the text is what the journal holds."""

    ACCEPTED = "accepted"
    """On disk, acknowledged or about to be; nothing was done on the fabric."""
    STARTED = "started"
    """Something may have been done on the fabric; only looking at it tells."""
    FINISHED = "finished"
    """The result is on disk; the command is never carried out again."""
    STORED = "stored"
    """The coordinator has the result; only kept for telling a repeated delivery."""


class CommandEvent(Enum):
    """What happens to a command."""

    START = "start"
    FINISH = "finish"
    STORE = "store"


TRANSITIONS: dict[tuple[CommandState, CommandEvent], CommandState] = {
    (CommandState.ACCEPTED, CommandEvent.START): CommandState.STARTED,
    # A command whose time was up before its turn came, or whose verb this agent does not know.
    (CommandState.ACCEPTED, CommandEvent.FINISH): CommandState.FINISHED,
    # After a restart: the verb looks first, so starting again is safe.
    (CommandState.STARTED, CommandEvent.START): CommandState.STARTED,
    (CommandState.STARTED, CommandEvent.FINISH): CommandState.FINISHED,
    (CommandState.FINISHED, CommandEvent.STORE): CommandState.STORED,
    # The coordinator repeats itself when its answer may have been lost.
    (CommandState.STORED, CommandEvent.STORE): CommandState.STORED,
}

UNFINISHED = tuple(state for state in CommandState if (state, CommandEvent.FINISH) in TRANSITIONS)


class IllegalTransitionError(Exception):
    """The event cannot happen in the state; the caller is wrong."""


def next_state(state: CommandState, event: CommandEvent) -> CommandState:
    """The state after the event.

    Raises:
        IllegalTransitionError: The pair is not in the table.
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransitionError(f"{event.value} in state {state.value}") from None
