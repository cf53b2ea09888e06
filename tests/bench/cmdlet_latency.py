"""From an API call to the start of the first cmdlet it causes, on the whole lab."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from deploy.lab.control.stage import Stage
from deploy.story.story import TO_PRIMARY, TO_RECOVERY, Story
from tests.bench.figures import percentile

ROUNDS = 12
CMDLET = re.compile(r"^timestamp=(\S+) .*event=cmdlet\.finished .*command_id=(\S+) .*seconds=(\S+)")


class Calls:
    """API calls of an operator with the time just before each."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self.began: list[datetime] = []

    def round(self) -> None:
        """There and back: six operations, each followed to its end."""
        story = self._story
        operator = story.operator
        source = operator.clouds()[story.cast.source_cloud]
        operations: tuple[Callable[[], str], ...] = (
            lambda: operator.planned_failover(source, story.item, TO_RECOVERY),
            lambda: operator.commit(source, story.item),
            lambda: operator.reverse(source, story.item, TO_PRIMARY),
            lambda: operator.planned_failover(source, story.item, TO_PRIMARY),
            lambda: operator.commit(source, story.item),
            lambda: operator.reverse(source, story.item, TO_RECOVERY),
        )
        for begin in operations:
            self.began.append(datetime.now(UTC))
            operator.wait_for_job(begin(), 120)


def first_cmdlets(stage: Stage) -> list[datetime]:
    """When cmdlets began that a command caused, in order."""
    starts = []
    for site in stage.topology.sites:
        log = stage.group().logs / f"site-{site.name.lower()}.log"
        for line in log.read_text(encoding="utf-8").splitlines():
            match = CMDLET.match(line)
            if match and match[2] != "null":
                ended = datetime.fromisoformat(match[1])
                starts.append(ended - timedelta(seconds=float(match[3])))
    return sorted(starts)


def latencies_ms(began: list[datetime], starts: list[datetime]) -> list[float]:
    """Milliseconds from each call to the first cmdlet after it."""
    found = []
    for call in began:
        start = next((start for start in starts if start >= call), None)
        if start is not None:
            found.append((start - call).total_seconds() * 1000)
    return found


def measure_once(story: Story) -> Mapping[tuple[str, str], float]:
    """One run on a stage where the story's machine is protected."""
    calls = Calls(story)
    for _ in range(ROUNDS):
        calls.round()
    found = latencies_ms(calls.began, first_cmdlets(story.stage))
    return {
        ("API call to first cmdlet, p50", "ms"): percentile(found, 0.5),
        ("API call to first cmdlet, p99", "ms"): percentile(found, 0.99),
        ("calls", "number"): float(len(found)),
    }
