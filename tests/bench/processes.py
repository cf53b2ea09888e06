"""Measurements in a process of their own, which belongs to a running stack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import TypeAlias

from coordinator.config.stack import Stack, configuration_environment

Found: TypeAlias = Mapping[str, float]


def measured_by(module: str, stack: Stack, *arguments: str) -> Found:
    """What a module has found, as it prints it: JSON in its last line that is an object.

    Args:
        module: Name of the module to run.
        stack: Whose environment it gets.
        arguments: Of its command line.

    Raises:
        RuntimeError: It could not measure; says what it wrote.
    """
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env={**os.environ, **configuration_environment(stack.configuration)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{module} could not measure:\n{done.stderr}")
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    found: Found = json.loads(lines[-1])
    return found
