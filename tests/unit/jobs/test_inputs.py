"""References to other steps' results: stored, read back, resolved."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.jobs.inputs import (
    OutputMissingError,
    decode_inputs,
    encode_inputs,
    outputs_in,
    resolve_inputs,
)
from coordinator.jobs.steps import Output

NAMES = st.text(alphabet="abc_", min_size=1, max_size=3)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), NAMES, st.builds(Output, NAMES, NAMES))
INPUTS = st.dictionaries(
    NAMES,
    st.recursive(
        LEAVES, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=6
    ),
    max_size=4,
)


@given(INPUTS)
def test_what_is_stored_comes_back(inputs: dict[str, object]) -> None:
    assert decode_inputs(json.loads(json.dumps(encode_inputs(inputs)))) == inputs


@given(INPUTS)
def test_resolving_leaves_no_reference(inputs: dict[str, object]) -> None:
    results: dict[str, dict[str, object]] = {}
    for output in outputs_in(inputs):
        results.setdefault(output.step, {})[output.field] = "value"
    assert list(outputs_in(resolve_inputs(inputs, results))) == []


def test_a_reference_deep_inside_is_replaced() -> None:
    inputs = {"vm": {"vm_id": "1", "host": Output("read", "host")}, "names": [Output("read", "n")]}
    resolved = resolve_inputs(inputs, {"read": {"host": "hv1", "n": "x"}})
    assert resolved == {"vm": {"vm_id": "1", "host": "hv1"}, "names": ["x"]}


@pytest.mark.parametrize("results", [{}, {"read": {}}])
def test_a_missing_result_is_named(results: dict[str, dict[str, object]]) -> None:
    with pytest.raises(OutputMissingError, match=r"'read' gave no 'host'"):
        resolve_inputs({"host": Output("read", "host")}, results)
