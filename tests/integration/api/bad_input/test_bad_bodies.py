"""Every field of every request: whatever is wrong in it, the answer says so and nothing changes."""

from __future__ import annotations

import pytest

from tests.integration.api.bad_input.example import BadRequest, bad_requests
from tests.integration.api.bad_input.examples import EXAMPLES
from tests.integration.api.bad_input.scene import Scene, fingerprint


@pytest.mark.django_db
@pytest.mark.spec("PO-4", "AP-1")
@pytest.mark.parametrize("bad", [b for e in EXAMPLES for b in bad_requests(e)], ids=str)
def test_the_answer_says_what_is_wrong_and_nothing_changes(scene: Scene, bad: BadRequest) -> None:
    before = fingerprint()
    answer = scene.program.send(
        bad.example.method, scene.path(bad.example.path), json=scene.fill(bad.body)
    )
    assert 400 <= answer.status_code < 500, answer.text
    error = answer.json()["error"]
    # Not because an earlier one was carried out.
    assert error["code"] not in {"", "532"}
    assert error["message"]
    assert error["details"][0]["possibleCauses"]
    assert error["details"][0]["recommendedAction"]
    assert fingerprint() == before
