"""The network between hosts: who cannot connect to whom, and which links are slow.

It lies outside every site, so its state is kept in a file beside them and outlives their daemons.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.lab.site.durable_files import read_json, write_json

EVERYWHERE = "*"


@dataclass(frozen=True, kw_only=True)
class LinkRule:
    """What is wrong with the way from ``source`` to ``target``.

    Each is a host's name, a site's name, or "*". A rule that is not ``one_way`` holds in both
    directions. The direction is that in which a connection is opened, as a firewall sees it: TCP
    needs packets both ways, so losing those of one direction alone would stop everything.

    Attributes:
        cut: Nothing passes.
        bytes_per_second: At most so much passes; None is without limit.
        delay_seconds: Every request takes so much longer (real seconds).
    """

    source: str
    target: str
    one_way: bool = False
    cut: bool = False
    bytes_per_second: int | None = None
    delay_seconds: float = 0.0


@dataclass(frozen=True)
class Place:
    """A host (or broker) and its site."""

    host: str
    site: str

    def matches(self, name: str) -> bool:
        return name == EVERYWHERE or name.lower() in (self.host.lower(), self.site.lower())


def _concerns(rule: LinkRule, source: Place, target: Place) -> bool:
    """A rule with "*" says how a place is joined to the rest: other sites, for a site's name."""
    forward = source.matches(rule.source) and target.matches(rule.target)
    backward = source.matches(rule.target) and target.matches(rule.source)
    if not forward and (rule.one_way or not backward):
        return False
    named = [each.lower() for each in (rule.source, rule.target) if each != EVERYWHERE]
    within = source.site == target.site
    return not (within and len(named) == 1 and named[0] == source.site.lower())


class Links:
    """The rules of a lab, shared by all its sites.

    Args:
        state_dir: The folder of all sites.
    """

    def __init__(self, state_dir: Path) -> None:
        self._file = state_dir / "links.json"
        self._lock_file = state_dir / "links.lock"
        self._known: tuple[int, tuple[LinkRule, ...]] = (-1, ())

    def rules(self) -> tuple[LinkRule, ...]:
        try:
            changed = self._file.stat().st_mtime_ns
        except FileNotFoundError:
            return ()
        if changed != self._known[0]:
            rules = tuple(LinkRule(**each) for each in read_json(self._file))
            self._known = (changed, rules)
        return self._known[1]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._lock_file.parent.mkdir(parents=True, exist_ok=True)
        with self._lock_file.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _change(self, change: Callable[[list[LinkRule]], list[LinkRule]]) -> None:
        with self._locked():
            rules = [LinkRule(**each) for each in read_json(self._file)] if self._exists() else []
            write_json(self._file, [asdict(each) for each in change(rules)])

    def _exists(self) -> bool:
        return self._file.exists()

    def add(self, rule: LinkRule) -> None:
        """A rule for the same two ends in the same directions takes the old one's place."""
        self._change(lambda rules: [*_without(rules, rule.source, rule.target), rule])

    def remove(self, source: str, target: str) -> None:
        """Forget what is wrong between two ends, in both directions."""
        self._change(lambda rules: _without(_without(rules, source, target), target, source))

    def clear(self) -> None:
        self._change(lambda _: [])

    # A whole site

    def cut(self, site: str) -> None:
        """Separate a site from all others."""
        self.add(LinkRule(source=site, target=EVERYWHERE, cut=True))

    def heal(self, site: str) -> None:
        self.remove(site, EVERYWHERE)

    def is_cut(self, site: str) -> bool:
        return any(
            each.cut and each.source.lower() == site.lower() and each.target == EVERYWHERE
            for each in self.rules()
        )

    # Between two hosts

    def blocks(self, source: Place, target: Place) -> bool:
        """Whether a connection from source to target gets nowhere."""
        return any(each.cut and _concerns(each, source, target) for each in self.rules())

    def seconds_for(self, source: Place, target: Place, length: int) -> float:
        """How much longer a request with so many bytes takes (real seconds)."""
        seconds = 0.0
        for each in self.rules():
            if _concerns(each, source, target):
                seconds += each.delay_seconds
                if each.bytes_per_second:
                    seconds += length / each.bytes_per_second
        return seconds


def _without(rules: list[LinkRule], source: str, target: str) -> list[LinkRule]:
    ends = (source.lower(), target.lower())
    return [each for each in rules if (each.source.lower(), each.target.lower()) != ends]
