"""Failures in the four parts that every error of the product has."""

from __future__ import annotations

from collections.abc import Sequence

from opensiterecovery.provider.v1.failure_pb2 import Failure


class CommandError(Exception):
    """Something did not work, and the failure says what, why and what to do about it."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.code}: {failure.message}")
        self.failure = failure


def failure(
    code: str,
    message: str,
    causes: Sequence[str],
    action: str,
    *,
    transient: bool = False,
) -> Failure:
    """Builds a failure; every part is mandatory, so that none is forgotten.

    Args:
        code: Stable name, for example "VirtualMachineNotFound".
        message: What happened, one sentence.
        causes: What may be behind it, most likely first.
        action: What the operator should do.
        transient: True when trying again may help without anybody changing anything.
    """
    return Failure(
        code=code,
        message=message,
        possible_causes=list(causes),
        recommended_action=action,
        transient=transient,
    )
