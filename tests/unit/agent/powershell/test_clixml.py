"""Reading CLIXML into plain values and records."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import psrpcore.types
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psrpcore.types import serialize_clixml

from agent.powershell.clixml import ClixmlError, read_document, read_object
from agent.powershell.records import PSRecord


class NoCipher(psrpcore.types.PSCryptoProvider):
    def decrypt(self, value: str) -> str:
        return value

    def encrypt(self, value: str) -> str:
        return value

    def register_key(self, key: bytes) -> None:
        del key


ENUM = b"""<Obj RefId="0"><TN RefId="0"><T>Microsoft.HyperV.PowerShell.VMReplicationState</T>
<T>System.Enum</T><T>System.ValueType</T><T>System.Object</T></TN>
<ToString>Replicating</ToString><I32>4</I32></Obj>"""


@pytest.mark.parametrize(
    ("xml", "value"),
    [
        (b"<S>a_x000A_b</S>", "a\nb"),
        (b"<S>_xD83D__xDC18_</S>", "\U0001f418"),
        (b"<S />", ""),
        (b"<B>true</B>", True),
        (b"<I64>-5000000000</I64>", -5000000000),
        (b"<By>7</By>", 7),
        (b"<Db>1.5E3</Db>", 1500.0),
        (b"<G>36fe8ede-3c1e-4a2d-935d-07f59589be10</G>", UUID("36fe8ede3c1e4a2d935d07f59589be10")),
        (b"<Version>6.3.9600</Version>", "6.3.9600"),
        (b"<BA>AP8=</BA>", b"\x00\xff"),
        (b"<Nil />", None),
        (b"<C>65</C>", "A"),
        (b"<TS>PT1H40M5.5S</TS>", timedelta(hours=1, minutes=40, seconds=5.5)),
        (b"<TS>PT30S</TS>", timedelta(seconds=30)),
        (b"<TS>PT0S</TS>", timedelta(0)),
        (b"<TS>-P1DT0.0000001S</TS>", -timedelta(days=1)),
        (
            b"<DT>2014-06-04T08:56:07.5300507-07:00</DT>",
            datetime(2014, 6, 4, 15, 56, 7, 530050, UTC),
        ),
        (b"<DT>2014-06-04T08:56:07Z</DT>", datetime(2014, 6, 4, 8, 56, 7, 0, UTC)),
        (ENUM, "Replicating"),
    ],
)
def test_values_become_pythons(xml: bytes, value: object) -> None:
    assert read_object(xml) == value


def test_a_time_without_zone_stays_without() -> None:
    moment = read_object(b"<DT>2014-06-04T08:56:07.53</DT>")
    assert isinstance(moment, datetime)
    assert moment.tzinfo is None
    assert moment.microsecond == 530000


def test_objects_become_records_with_both_kinds_of_properties() -> None:
    record = read_object(
        b"""<Obj RefId="0"><TN RefId="0"><T>Deserialized.Microsoft.HyperV.VM</T></TN>
        <ToString>SQL-01</ToString><Props><S N="Name">SQL-01</S></Props>
        <MS><S N="PSComputerName">localhost</S><Obj N="Disks" RefId="1"><TN RefId="1">
        <T>System.Object[]</T></TN><LST><S>a</S><S>b</S></LST></Obj></MS></Obj>"""
    )
    assert isinstance(record, PSRecord)
    assert str(record) == "SQL-01"
    assert record.type_name == "Microsoft.HyperV.VM"
    assert record.text("Name") == "SQL-01"
    assert record.strings("Disks") == ["a", "b"]


def test_references_and_type_references_are_followed_within_a_document() -> None:
    [first, second] = read_document(
        """<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04">
        <Obj RefId="0"><TN RefId="0"><T>Some.Type</T></TN><Props><Ref N="Self" RefId="0" />
        </Props></Obj><Obj RefId="1"><TNRef RefId="0" /><Props><Ref N="Other" RefId="0" /></Props>
        </Obj></Objs>"""
    )
    assert isinstance(first, PSRecord)
    assert isinstance(second, PSRecord)
    assert first.record("Self") is first
    assert second.record("Other") is first
    assert second.type_name == "Some.Type"


def test_dictionaries_become_pythons() -> None:
    found = read_object(
        b"""<Obj RefId="0"><TN RefId="0"><T>System.Collections.Hashtable</T></TN><DCT><En>
        <S N="Key">port</S><I32 N="Value">443</I32></En></DCT></Obj>"""
    )
    assert found == {"port": 443}


@pytest.mark.parametrize(
    "xml",
    [
        b"<S>",
        b"nothing",
        b"<Unheard>1</Unheard>",
        b"<I32>many</I32>",
        b"<TS>soon</TS>",
        b"<DT>yesterday</DT>",
        b"<G>me</G>",
        b"<Obj><DCT><En><S N='Key'>a</S></En></DCT></Obj>",
    ],
)
def test_what_cannot_be_read_is_an_error_of_its_own(xml: bytes) -> None:
    with pytest.raises(ClixmlError):
        read_object(xml)


def test_a_document_of_something_else_is_refused() -> None:
    with pytest.raises(ClixmlError, match="starts with Objs"):
        read_document("<html />")


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**31), 2**63 - 1),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.uuids(),
    st.binary(max_size=40),
    st.datetimes(timezones=st.just(UTC), min_value=datetime(1900, 1, 1)),  # noqa: DTZ001 - as hypothesis wants it
)


@given(st.lists(VALUES, max_size=6))
def test_what_psrpcore_writes_is_read_back(values: list[object]) -> None:
    [found] = read_document(serialize_clixml([values], NoCipher()))
    assert found == values
