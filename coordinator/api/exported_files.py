"""Tables as files: CSV, XML, and the workbook Excel opens."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

Cell = str | int | float | None
Row = Sequence[Cell]

# What a spreadsheet takes for the beginning of a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
# Characters that no XML file may have.
NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
LONGEST_CELL = 32_767
# Excel's files must not differ from one export of the same jobs to the next.
MADE_AT = (1980, 1, 1, 0, 0, 0)

_SPREADSHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
_PARTS = {
    "[Content_Types].xml": (
        f'{_HEAD}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels"'
        ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPES}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPES}.worksheet+xml"/>'
        "</Types>"
    ),
    "_rels/.rels": (
        f'{_HEAD}<Relationships xmlns="{_RELATIONS}"><Relationship Id="rId1"'
        f' Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
    ),
    "xl/_rels/workbook.xml.rels": (
        f'{_HEAD}<Relationships xmlns="{_RELATIONS}"><Relationship Id="rId1"'
        f' Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>'
    ),
}


def csv_file(heads: Sequence[str], rows: Iterable[Row]) -> bytes:
    """Comma-separated values, in UTF-8 with its mark, without which Excel reads them wrongly.

    A text that a spreadsheet would carry out as a formula gets an apostrophe before it.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(heads)
    writer.writerows([_harmless(cell) for cell in row] for row in rows)
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def xml_file(root: str, element: str, names: Sequence[str], rows: Iterable[Row]) -> bytes:
    """An element for each row, with an element for each value; what is None is left out."""
    top = ET.Element(root)
    for row in rows:
        one = ET.SubElement(top, element)
        for name, cell in zip(names, row, strict=True):
            if cell is not None:
                ET.SubElement(one, name).text = NO_XML.sub("\ufffd", str(cell))
    written: bytes = ET.tostring(top, encoding="utf-8", xml_declaration=True)
    return written


def workbook_file(sheet: str, heads: Sequence[str], rows: Iterable[Row]) -> bytes:
    """A workbook of one sheet (ECMA-376); texts stand in their cells, so that none is a formula."""
    workbook = (
        f'{_HEAD}<workbook xmlns="{_SPREADSHEET}" xmlns:r="{_OFFICE}"><sheets>'
        f'<sheet name="{escape(sheet)}" sheetId="1" r:id="rId1"/></sheets></workbook>'
    )
    content = "".join(_sheet_row(row) for row in (heads, *rows))
    worksheet = (
        f'{_HEAD}<worksheet xmlns="{_SPREADSHEET}"><sheetData>{content}</sheetData></worksheet>'
    )
    parts = {**_PARTS, "xl/workbook.xml": workbook, "xl/worksheets/sheet1.xml": worksheet}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(zipfile.ZipInfo(name, MADE_AT), part, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def _harmless(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def _sheet_row(row: Row) -> str:
    return f"<row>{''.join(_sheet_cell(cell) for cell in row)}</row>"


def _sheet_cell(cell: Cell) -> str:
    if cell is None:
        return "<c/>"
    if isinstance(cell, str):
        text = escape(NO_XML.sub("\ufffd", cell)[:LONGEST_CELL])
        return f'<c t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'
    return f"<c><v>{cell}</v></c>"
