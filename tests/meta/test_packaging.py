"""What is installed: every file beside the Python of a package is declared as its data."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("coordinator", "agent", "deploy")
# Not of the packages: documentation, what is started from a checkout, what goes to Windows apart.
APART = ("deploy/docs/", "deploy/windows/", "deploy/demo", "deploy/labctl", "deploy/venv")


def test_every_file_that_is_not_python_is_declared_as_data_of_its_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    declared: dict[str, list[str]] = project["tool"]["setuptools"]["package-data"]
    missing = []
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*")):
            path = file.relative_to(ROOT)
            if file.is_dir() or file.suffix in {".py", ".pyc"} or str(path).startswith(APART):
                continue
            if not _is_declared(path, declared):
                missing.append(str(path))
    assert missing == []


def _is_declared(path: Path, declared: dict[str, list[str]]) -> bool:
    """Whether a package the file is in, or below, has it among its data."""
    return any(
        path.relative_to(folder).match(pattern)
        for folder in path.parents
        for pattern in declared.get(".".join(folder.parts), [])
    )
