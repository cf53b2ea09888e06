"""A short campaign of sites that lose power, by a fixed seed; more: `tests/chaos/run --sites`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.site_campaign import SiteCampaign
from tests.chaos.site_points import PHASES, SITES, choose_site_points
from tests.chaos.two_sites import TwoSites

SEED = 7
POINTS = 9


def test_the_same_seed_takes_power_from_the_same_sites() -> None:
    assert choose_site_points(40, 3) == choose_site_points(40, 3) != choose_site_points(40, 4)


def test_every_site_and_phase_has_its_turn() -> None:
    points = choose_site_points(60, 1)
    assert {point.site for point in points} == set(SITES)
    assert {point.phase for point in points} == set(PHASES)


@pytest.mark.timeout(180)
async def test_no_replica_is_torn_and_nothing_lost_whichever_site_loses_power(
    tmp_path: Path,
) -> None:
    sites = TwoSites(tmp_path)
    try:
        for name in SITES:
            await sites.start(name)
            await sites.configure(name)
        points = choose_site_points(POINTS, SEED)
        verdict = await SiteCampaign(sites, points, lambda _: None).run()
    finally:
        await sites.close()
    assert verdict.problems == []
    assert verdict.kills == POINTS
    assert verdict.ok
