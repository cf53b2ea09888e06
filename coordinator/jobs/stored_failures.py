"""Reading failures back from where `Failure.as_json` was stored."""

from __future__ import annotations

from collections.abc import Mapping

from coordinator.failures import Failure, ProviderError


def read_failure(stored: Mapping[str, object]) -> Failure:
    """The failure; keys beside its own are ignored."""
    causes = stored.get("possibleCauses")
    provider_error = stored.get("providerError")
    return Failure(
        code=str(stored.get("code", "")),
        message=str(stored.get("message", "")),
        possible_causes=tuple(map(str, causes)) if isinstance(causes, list) else (),
        recommended_action=str(stored.get("recommendedAction", "")),
        provider_error=(
            ProviderError(**provider_error) if isinstance(provider_error, dict) else None
        ),
    )
