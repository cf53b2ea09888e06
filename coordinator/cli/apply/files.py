"""Files of documents: found, read, and written."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml

from coordinator.cli.apply.documents import Document, Problem, read_documents
from coordinator.cli.apply.kinds import Kind
from coordinator.cli.apply.resources import Resource
from coordinator.cli.failures import CommandError, ExitCode

SUFFIXES = (".yaml", ".yml")
STANDARD_INPUT = "-"
# A directory has one file a kind.
FILE_NAMES = {
    Kind.POLICY: "policies.yaml",
    Kind.PAIRING: "pairings.yaml",
    Kind.NETWORK_MAPPING: "network-mappings.yaml",
    Kind.STORAGE_MAPPING: "storage-mappings.yaml",
    Kind.BANDWIDTH_LIMIT: "bandwidth-limits.yaml",
    Kind.RECOVERY_PLAN: "recovery-plans.yaml",
    Kind.ALERT_SETTINGS: "alert-settings.yaml",
}


def read_files(given: Sequence[Path]) -> tuple[list[Document], list[Problem]]:
    """The documents of files, and of all YAML files in directories, in the order of their names.

    Raises:
        CommandError: A file is not there or cannot be read, or a directory has none.
    """
    documents: list[Document] = []
    problems: list[Problem] = []
    for file, text in texts_of(given):
        found, wrong = read_documents(file, text)
        documents += found
        problems += wrong
    return documents, problems


def texts_of(given: Iterable[Path]) -> list[tuple[str, str]]:
    """Names and texts of the files that are meant."""
    found: list[tuple[str, str]] = []
    for path in given:
        if str(path) == STANDARD_INPUT:
            found.append(("standard input", sys.stdin.read()))
            continue
        files = [path]
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES)
            if not files:
                raise _unreadable(path, "it has no files *.yaml")
        for file in files:
            try:
                found.append((str(file), file.read_text(encoding="utf-8")))
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or "it is not UTF-8"
                raise _unreadable(file, reason) from error
    return found


def write_text(resources: Sequence[Resource]) -> str:
    """Documents one after the other."""
    return (
        yaml.safe_dump_all(
            [resource.as_document() for resource in resources],
            sort_keys=False,
            allow_unicode=True,
            explicit_start=True,
            default_flow_style=False,
        )
        if resources
        else ""
    )


def write_files(resources: Sequence[Resource], target: Path) -> list[Path]:
    """Writes resources to a file, or one file a kind into a directory.

    Args:
        resources: In the order in which they are written.
        target: A name that ends as YAML's do is a file; everything else is a directory.

    Returns:
        The files that were written. Files of kinds of which there is nothing are emptied.

    Raises:
        CommandError: They cannot be written.
    """
    try:
        if target.suffix in SUFFIXES:
            target.write_text(write_text(resources), encoding="utf-8")
            return [target]
        target.mkdir(parents=True, exist_ok=True)
        written: list[Path] = []
        for kind, name in FILE_NAMES.items():
            own = [resource for resource in resources if resource.kind is kind]
            file = target / name
            if own or file.exists():
                file.write_text(write_text(own), encoding="utf-8")
                written.append(file)
    except OSError as error:
        raise _unreadable(target, str(error.strerror)) from error
    return written


def _unreadable(path: Path, reason: str) -> CommandError:
    return CommandError(
        ExitCode.USAGE,
        f"{path} cannot be used: {reason}.",
        possible_causes=["The path is wrong."],
        recommended_action="Give a file or a directory as osr export --to writes them.",
    )
