"""Tables as files."""

from __future__ import annotations

import io
import zipfile
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.api.exported_files import csv_file, workbook_file, xml_file

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.lists(st.tuples(TEXTS, st.none() | st.integers() | TEXTS), max_size=4))
def test_any_text_gives_files_that_can_be_read(rows: list[tuple[str, str | int | None]]) -> None:
    assert len(ET.fromstring(xml_file("Jobs", "Job", ["a", "b"], rows))) == len(rows)
    with zipfile.ZipFile(io.BytesIO(workbook_file("Jobs", ["a", "b"], rows))) as archive:
        sheet = ET.fromstring(archive.read("xl/worksheets/sheet1.xml"))
    assert len(sheet.findall(".//{*}row")) == len(rows) + 1
    assert csv_file(["a", "b"], rows).startswith(b"\xef\xbb\xbfa,b\r\n")


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r"])
def test_a_formula_is_text_in_csv(begin: str) -> None:
    assert f"'{begin}1".encode() in csv_file(["a"], [[f"{begin}1"]])


def test_numbers_are_numbers_in_a_workbook() -> None:
    with zipfile.ZipFile(io.BytesIO(workbook_file("A & B", ["n"], [[1.5], [None]]))) as archive:
        assert b"<c><v>1.5</v></c>" in archive.read("xl/worksheets/sheet1.xml")
        assert b'name="A &amp; B"' in archive.read("xl/workbook.xml")
