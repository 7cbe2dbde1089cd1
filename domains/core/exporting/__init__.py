"""Files: lists for a spreadsheet, and records in the formats of those who keep their DNS as one."""

from domains.core.exporting.formats import FORMATS, Export, ExportDiffers, Format, export, format_named
from domains.core.exporting.lists import FORMULA_STARTS, as_csv, as_json
from domains.core.exporting.values import Entry, entries

__all__ = [
    "FORMATS",
    "FORMULA_STARTS",
    "Entry",
    "Export",
    "ExportDiffers",
    "Format",
    "as_csv",
    "as_json",
    "entries",
    "export",
    "format_named",
]
