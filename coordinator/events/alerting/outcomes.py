"""What becomes of one attempt to deliver an alert."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_PROBLEM = 500


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended.

    Attributes:
        problem: Why it failed; "" when the alert was delivered.
        final: Trying again cannot help.
        unreachable: Nothing can be delivered there now, so the others are not even tried.
    """

    problem: str = ""
    final: bool = False
    unreachable: bool = False

    @property
    def delivered(self) -> bool:
        return not self.problem


DELIVERED = Outcome()


def failed(problem: str, *, final: bool = False, unreachable: bool = False) -> Outcome:
    """A failure; what is not printable in its text is left out, and what is too long cut."""
    text = "".join(letter for letter in problem if letter.isprintable())[:LONGEST_PROBLEM]
    return Outcome(text or "It failed without a word.", final=final, unreachable=unreachable)
