from __future__ import annotations

from pathlib import Path

import pytest

from deploy.lab.site.links import LinkRule, Links, Place

E1, E2 = Place("e1.contoso.com", "East"), Place("e2.contoso.com", "East")
W1, W2 = Place("w1.contoso.com", "West"), Place("w2.contoso.com", "West")


@pytest.mark.parametrize(
    ("rule", "blocked", "free"),
    [
        (
            LinkRule(source="East", target="*", cut=True),
            [(E1, W1), (W2, E2)],
            [(E1, E2), (W1, W2)],
        ),
        (LinkRule(source="East", target="West", cut=True), [(E1, W2), (W1, E2)], [(E1, E2)]),
        (
            LinkRule(source="East", target="West", one_way=True, cut=True),
            [(E1, W1)],
            [(W1, E1)],
        ),
        (
            LinkRule(source="e1.contoso.com", target="W1.contoso.com", cut=True),
            [(E1, W1), (W1, E1)],
            [(E1, W2), (E2, W1)],
        ),
        (
            LinkRule(source="e1.contoso.com", target="w1.contoso.com", one_way=True, cut=True),
            [(E1, W1)],
            [(W1, E1), (E2, W1)],
        ),
        (
            LinkRule(source="e1.contoso.com", target="*", cut=True),
            [(E1, W1), (E1, E2), (E2, E1)],
            [(E2, W1)],
        ),
        (LinkRule(source="East", target="West", bytes_per_second=1), [], [(E1, W1)]),
    ],
)
def test_a_rule_blocks_what_it_names_and_nothing_else(
    tmp_path: Path,
    rule: LinkRule,
    blocked: list[tuple[Place, Place]],
    free: list[tuple[Place, Place]],
) -> None:
    links = Links(tmp_path)
    links.add(rule)
    assert [links.blocks(*ends) for ends in blocked] == [True] * len(blocked)
    assert [links.blocks(*ends) for ends in free] == [False] * len(free)
    links.remove(rule.target, rule.source)
    assert not any(links.blocks(*ends) for ends in blocked)


def test_rules_are_there_for_everybody_and_after_a_restart(tmp_path: Path) -> None:
    one, other = Links(tmp_path), Links(tmp_path)
    assert not other.blocks(E1, W1)
    one.cut("East")
    assert other.blocks(E1, W1)
    assert Links(tmp_path).is_cut("east")
    other.heal("East")
    assert not one.blocks(E1, W1)
    assert one.rules() == ()


def test_a_second_rule_for_the_same_way_takes_the_place_of_the_first(tmp_path: Path) -> None:
    links = Links(tmp_path)
    links.add(LinkRule(source="East", target="West", cut=True))
    links.add(LinkRule(source="East", target="West", bytes_per_second=1000, delay_seconds=0.5))
    assert not links.blocks(E1, W1)
    assert links.seconds_for(W1, E1, 2000) == 2.5
    assert links.seconds_for(E1, E2, 2000) == 0.0
    links.clear()
    assert links.seconds_for(W1, E1, 2000) == 0.0
