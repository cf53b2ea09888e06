"""Secrets of programs at rest."""

from __future__ import annotations

from coordinator.access.client_secrets import hash_secret, secret_fits
from coordinator.secret import Secret


def test_what_is_stored_does_not_hold_the_secret_and_fits_it_alone() -> None:
    stored = hash_secret(Secret("the secret"))
    assert "the secret" not in stored
    assert secret_fits("the secret", stored)
    assert not secret_fits("the secret ", stored)
    assert not secret_fits("", stored)
    assert not secret_fits(stored, stored)
