"""`tests/run`: every check and every test, and what of the specification they show."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ["coordinator", "agent", "deploy", "tests"]
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Check:
    """One command that must succeed."""

    name: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What a check came to."""

    name: str
    passed: bool
    seconds: float


def static_checks() -> list[Check]:
    """Everything that needs no running program."""
    ruff, mypy, imports = (str(BIN / name) for name in ("ruff", "mypy", "lint-imports"))
    return [
        Check("generated code in sync", (sys.executable, "protos/generate", "--check")),
        Check("ruff", (ruff, "check", "--quiet", *SOURCES)),
        Check("ruff format", (ruff, "format", "--quiet", "--check", *SOURCES)),
        Check("import contracts", (imports, "--no-logo")),
        Check("migrations in sync", _manage("makemigrations", "--check", "--dry-run")),
        Check("mypy --strict", (mypy, *SOURCES)),
    ]


def _manage(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "django", *arguments, "--settings=coordinator.config.settings")


def run_check(check: Check) -> Outcome:
    """Runs a check; its output is shown only if it fails."""
    started = time.monotonic()
    done = subprocess.run(check.command, cwd=ROOT, capture_output=True, text=True, check=False)
    passed = done.returncode == 0
    if not passed:
        print(done.stdout + done.stderr)
    return Outcome(check.name, passed, time.monotonic() - started)


def run_tests(folders: Sequence[str], report: Path, extra: Sequence[str]) -> Outcome:
    """Runs pytest, its output going straight to the terminal."""
    started = time.monotonic()
    command = [
        sys.executable,
        "-m",
        "pytest",
        *folders,
        "-q",
        f"--junitxml={report}",
        "-o",
        "junit_family=xunit1",
        *extra,
    ]
    done = subprocess.run(command, cwd=ROOT, check=False)
    # 5: nothing was collected, which is a failure of the project's own.
    return Outcome("pytest " + " ".join(folders), done.returncode == 0, time.monotonic() - started)


@dataclass(frozen=True)
class Case:
    """A test that ran."""

    name: str
    result: str
    clauses: tuple[str, ...]


def read_cases(report: Path) -> list[Case]:
    """The tests of a JUnit report, with the clauses they are marked with."""
    cases = []
    for element in ET.parse(report).getroot().iter("testcase"):
        properties = element.iter("property")
        clauses = [p.attrib["value"] for p in properties if p.attrib["name"] == "spec"]
        failed = element.find("failure") is not None or element.find("error") is not None
        skipped = element.find("skipped") is not None
        result = "failed" if failed else "skipped" if skipped else "passed"
        name = f"{element.attrib['classname']}::{element.attrib['name']}"
        cases.append(Case(name, result, tuple(clauses)))
    return cases


def clauses_of_the_specification() -> dict[str, str]:
    """Number and first words of every clause."""
    text = (ROOT / "deploy/docs/spec.md").read_text(encoding="utf-8")
    found = re.findall(r"^- ([A-Z]{2}-\d+) (.*)$", text, flags=re.MULTILINE)
    return {number: words[:70] for number, words in found}


def clause_table(cases: Sequence[Case]) -> list[tuple[str, int, str]]:
    """For each clause: its number, how many passing tests show it, its first words."""
    rows = []
    for number, words in clauses_of_the_specification().items():
        passing = sum(1 for c in cases if c.result == "passed" and number in c.clauses)
        rows.append((number, passing, words))
    return rows


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/run", description=__doc__)
    parser.add_argument("--spec", action="store_true", help="add a table, clause by clause")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the outcome as JSON")
    parser.add_argument("--only", choices=["static", "tests"], help="a part of it")
    parser.add_argument("paths", nargs="*", help="tests to run instead of all")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    outcomes: list[Outcome] = []
    if options.only != "tests" and not options.paths:
        for check in static_checks():
            outcome = run_check(check)
            mark = "ok" if outcome.passed else "FAILED"
            print(f"{outcome.name:<28} {mark:<7} {outcome.seconds:6.1f} s", flush=True)
            outcomes.append(outcome)
    cases: list[Case] = []
    if options.only != "static":
        state = ROOT / ".pytest_cache"
        state.mkdir(exist_ok=True)
        reports = []
        if options.paths:
            reports.append(state / "chosen.xml")
            outcomes.append(run_tests(options.paths, reports[-1], []))
        else:
            fast, whole = state / "fast.xml", state / "whole.xml"
            reports += [fast, whole]
            folders = ["tests/meta", "tests/unit", "tests/contract", "tests/integration"]
            workers = ["-n", str(min(os.cpu_count() or 1, 4)), "--dist", "loadscope"]
            outcomes.append(run_tests([f for f in folders if _has_tests(f)], fast, workers))
            slow = [f for f in ("tests/e2e", "tests/chaos", "tests/bench") if _has_tests(f)]
            outcomes.append(run_tests(slow, whole, []))
        cases = [case for report in reports if report.exists() for case in read_cases(report)]
    return conclude(options, outcomes, cases)


def _has_tests(folder: str) -> bool:
    return any((ROOT / folder).rglob("test_*.py"))


def conclude(options: argparse.Namespace, outcomes: list[Outcome], cases: list[Case]) -> int:
    """Prints the sums, last of all the line with the number of passed tests."""
    failed_checks = [o for o in outcomes if not o.passed]
    counts = {r: sum(1 for c in cases if c.result == r) for r in ("passed", "failed", "skipped")}
    table = clause_table(cases)
    if options.spec:
        for number, passing, words in table:
            shown = f"{passing} test(s)" if passing else "-"
            print(f"{number:<6} {shown:<12} {words}")
        shown_clauses = sum(1 for row in table if row[1])
        print(f"{shown_clauses} of {len(table)} clauses have a passing test")
    if options.json:
        document = {
            "checks": [vars(outcome) for outcome in outcomes],
            "tests": counts,
            "clauses": {number: passing for number, passing, _ in table},
            "ok": not failed_checks,
        }
        options.json.write_text(json.dumps(document, indent=2), encoding="utf-8")
    for outcome in failed_checks:
        print(f"FAILED: {outcome.name}")
    failed = counts["failed"] + len(failed_checks)
    print(f"{counts['passed']} passed, {failed} failed, {counts['skipped']} skipped")
    return 1 if failed_checks else 0


if __name__ == "__main__":
    sys.exit(main())
