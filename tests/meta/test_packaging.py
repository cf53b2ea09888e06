"""What is installed: every file beside the Python of a package is declared as its data."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatch
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
            patterns = declared.get(".".join(path.parent.parts), [])
            if not any(fnmatch(file.name, pattern) for pattern in patterns):
                missing.append(str(path))
    assert missing == []
