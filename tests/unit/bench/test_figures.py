"""The page of figures: what is measured is replaced, what is not stays."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from tests.bench.figures import END, START, Figure, write_page

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def test_sections_that_were_not_measured_stay(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text(f"Words before.\n\n{START}\n\n{END}\nWords after.\n", encoding="utf-8")
    write_page(page, {"One": [Figure("a", "s", (1.0,))], "Two": [Figure("b", "s", (2.0,))]}, NOW)
    once = page.read_text(encoding="utf-8")
    write_page(page, {"Two": [Figure("b", "s", (5.0, 7.0, 6.0))]}, NOW)
    text = page.read_text(encoding="utf-8")
    assert "| a | 1.00 |" in text
    assert "| b | 6.00 | 5.00 - 7.00 | 3 | s |" in text
    assert "2.00" not in text
    assert text.index("### One") < text.index("### Two") < text.index(END)
    assert text.startswith("Words before.")
    assert text.endswith("Words after.\n")
    write_page(page, {"Two": [Figure("b", "s", (2.0,))]}, NOW)
    assert page.read_text(encoding="utf-8") == once
