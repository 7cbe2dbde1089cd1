"""Operation IDs are a contract: generated clients call operations by them."""

import re
from pathlib import Path

from inbound_admin.api import api
from tests.api_client import description

LIST = Path(__file__).with_name("operation_ids.txt")
WORD = re.compile(r"[a-z][A-Za-z0-9]*")


def _described_operations() -> list[tuple[str, str, str]]:
    paths = description()["paths"]
    return sorted(
        (operation["operationId"], method.upper(), path)
        for path, methods in paths.items()
        for method, operation in methods.items()
    )


def test_each_id_is_one_camel_case_word() -> None:
    assert [word for word, _, _ in _described_operations() if not WORD.fullmatch(word)] == []


def test_operation_ids_are_unique() -> None:
    words = [word for word, _, _ in _described_operations()]
    assert sorted({word for word in words if words.count(word) > 1}) == []


def test_no_id_contains_the_module_of_its_function() -> None:
    operations = [
        each for _, router in api._routers for view in router.path_operations.values() for each in view.operations
    ]
    modules = {operation.view_func.__module__ for operation in operations}
    spellings = {s.lower() for name in modules for s in (name, name.replace(".", "_"), re.sub(r"[._]", "", name))}
    assert len(modules) > 20
    assert [word for word, _, _ in _described_operations() if any(s in word.lower() for s in spellings)] == []


def test_ids_match_the_list() -> None:
    listed, described = LIST.read_text().splitlines(), [" ".join(each) for each in _described_operations()]
    gone, new = sorted(set(listed) - set(described)), sorted(set(described) - set(listed))
    assert listed == described, (
        "Operation ids are a contract: generated clients call operations by them, so a change breaks those clients. "
        f"Keep the old id; only a new operation adds a line to {LIST.name}. Not in the API: {gone}. Not listed: {new}."
    )
