"""Writes the OpenAPI document; --check fails when the kept one is out of step.

`python -m coordinator.config.api_document`, in a checkout.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

MODULE = "coordinator.config.api_document"
KEPT = Path(__file__).resolve().parents[2] / "deploy" / "docs" / "openapi.json"


def fresh() -> str:
    """The document as the routes make it."""
    from coordinator.api.openapi.document import document_of, written  # noqa: PLC0415 - needs Django
    from coordinator.api.urls import api  # noqa: PLC0415 - needs Django

    return written(document_of(api))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, say what differs")
    arguments = parser.parse_args()
    from coordinator.config.setting_up import set_up_django  # noqa: PLC0415 - reads settings

    set_up_django()
    if not arguments.check:
        KEPT.write_text(fresh(), encoding="utf-8")
        return 0
    if KEPT.exists() and KEPT.read_text(encoding="utf-8") == fresh():
        return 0
    print(
        f"{KEPT} does not match the routes: run python -m coordinator.config.api_document",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
