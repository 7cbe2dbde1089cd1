"""Lists as files; what every app exports stands in `inbound_admin.lib.lists`."""

from inbound_admin.lib.lists import FORMULA_STARTS, as_csv, as_json

__all__ = ["FORMULA_STARTS", "as_csv", "as_json"]
