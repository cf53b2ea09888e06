"""A vault's tags: names and values people sort their resources by."""

from __future__ import annotations

import re
from collections.abc import Mapping

import structlog

from coordinator.failures import RefusedError, refuse
from coordinator.vaults.models import Vault

log = structlog.get_logger(__name__)

# Azure Resource Manager's limits.
MOST_TAGS = 50
NAME = re.compile(r"[^<>%&\\?/\x00-\x1f]{1,512}")
LONGEST_VALUE = 256


def set_tags(vault: Vault, tags: Mapping[str, str]) -> None:
    """Gives a vault other tags, in the place of those it had; its revision tells of the change.

    Raises:
        RefusedError: InvalidTag: too many of them, or one that Azure Resource Manager refuses.

    Idempotent.
    """
    check_tags(tags)
    if vault.tags == dict(tags):
        return
    vault.tags = dict(tags)
    vault.revision += 1
    vault.save(update_fields=["tags", "revision"])
    log.info("vault.tagged", vault_id=str(vault.id), vault=vault.name, tags=len(tags))


def check_tags(tags: Mapping[str, str]) -> None:
    """Refuses tags that could not be kept.

    Raises:
        RefusedError: With the field "tags".
    """
    if len(tags) > MOST_TAGS:
        raise _invalid(f"There are {len(tags)} tags.", f"A vault has at most {MOST_TAGS} tags.")
    for name, value in tags.items():
        if not NAME.fullmatch(name):
            raise _invalid(
                f'"{name[:64]}" cannot be the name of a tag.',
                "A name has 1 to 512 characters, and none of < > % & \\ ? /.",
            )
        if len(value) > LONGEST_VALUE:
            raise _invalid(
                f'The value of the tag "{name[:64]}" is too long.',
                f"A value has at most {LONGEST_VALUE} characters.",
            )
    if len({name.lower() for name in tags}) < len(tags):
        raise _invalid(
            "Two tags differ only in upper and lower case.", "Names mean the same in any case."
        )


def _invalid(message: str, cause: str) -> RefusedError:
    return refuse(
        "InvalidTag",
        message,
        causes=[cause],
        action="Correct the tags and repeat the request.",
        field="tags",
    )
