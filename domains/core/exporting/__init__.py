"""Records as files, in the formats of those who keep their DNS as one."""

from domains.core.exporting.formats import FORMATS, Export, ExportDiffers, Format, export, format_named
from domains.core.exporting.values import Entry, entries

__all__ = [
    "FORMATS",
    "Entry",
    "Export",
    "ExportDiffers",
    "Format",
    "entries",
    "export",
    "format_named",
]
