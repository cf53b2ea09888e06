"""Documents and programs must agree."""

from __future__ import annotations

import re

from tests.runner import ROOT

VARIABLE = re.compile(r"\bOSR_[A-Z_]+\b")


def test_every_setting_the_coordinator_reads_is_documented() -> None:
    code = (ROOT / "coordinator/config/configuration.py").read_text(encoding="utf-8")
    documented = (ROOT / "deploy/docs/settings.md").read_text(encoding="utf-8")
    read = set(VARIABLE.findall(code)) - {"OSR_"}
    assert read
    assert read == set(VARIABLE.findall(documented))


def test_every_link_inside_the_documentation_leads_somewhere() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "deploy/docs").rglob("*.md"))]
    links = [
        (page, target)
        for page in pages
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
        if not target.startswith("http")
    ]
    broken = [(page, target) for page, target in links if not (page.parent / target).exists()]
    assert broken == []
