from __future__ import annotations

import json
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from deploy.lab.invocation import (
    I64,
    U16,
    U32,
    U64,
    Byte,
    EnumValue,
    ErrorRecord,
    Invocation,
    InvocationResult,
    ProgressRecord,
    PSObject,
    Secret,
    Value,
    Version,
)
from deploy.lab.wire import (
    decode_invocation,
    decode_result,
    decode_value,
    encode_invocation,
    encode_result,
    encode_value,
)

NAMES = st.text(max_size=5)
SCALARS: st.SearchStrategy[Value] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**31), 2**31 - 1),
    st.floats(allow_nan=False),
    st.text(max_size=10),
    st.binary(max_size=10),
    st.datetimes(timezones=st.timezones()),
    st.timedeltas(),
    st.uuids(),
    st.builds(Secret, NAMES),
    st.builds(EnumValue, NAMES, NAMES, st.integers(0, 9)),
    st.sampled_from([Byte(1), U16(2), U32(3), I64(4), U64(5), Version("1.2")]),
)
VALUES: st.SearchStrategy[Value] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(NAMES, inner, max_size=3),
        st.builds(
            PSObject,
            st.lists(NAMES, max_size=2).map(tuple),
            st.none() | NAMES,
            st.dictionaries(NAMES, inner, max_size=3),
        ),
    ),
    max_leaves=8,
)


@given(VALUES)
def test_any_value_survives_the_socket_with_its_type(value: Value) -> None:
    back = decode_value(json.loads(json.dumps(encode_value(value))))
    assert back == value
    assert type(back) is type(value)


def test_an_invocation_survives_the_socket() -> None:
    item = PSObject(("T",), "t", {"Size": U64(7)})
    call = Invocation("Get-VM", {"A": timedelta(seconds=1)}, "Id", (item,), "c")
    assert decode_invocation(json.loads(json.dumps(encode_invocation(call)))) == call


def test_a_result_survives_the_socket() -> None:
    error = ErrorRecord("Id", "InvalidArgument", "m", "T", "x", "String", "Get-VM", "C", "r", True)
    result = InvocationResult(("a", U32(1)), (error,), ("w",), (ProgressRecord("p", "s", 3),))
    assert decode_result(json.loads(json.dumps(encode_result(result)))) == result


def test_nothing_that_is_printed_shows_a_secret() -> None:
    call = Invocation("Install", {"Password": Secret("pass-word"), "Pfx": b"key-bytes"})
    for shown in (repr(call), str(call), repr(Secret("pass-word")), f"{Secret('pass-word')}"):
        assert "pass-word" not in shown
        assert "key-bytes" not in shown
