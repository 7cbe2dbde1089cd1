"""Files: lists for a spreadsheet, and records in the formats of those who keep their DNS as one."""

from domains.core.exporting.lists import as_csv, as_json

__all__ = ["as_csv", "as_json"]
