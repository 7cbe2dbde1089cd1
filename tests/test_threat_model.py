"""docs/threat-model.md names only tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "threat-model.md").read_text()
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)
ROWS = [line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith("| Attack")]


def test_each_named_test_exists() -> None:
    missing = [(path, name) for path, name in NAMED if f"def {name}(" not in (ROOT / path).read_text()]
    assert not missing


def test_each_attack_has_a_test() -> None:
    assert len(ROWS) > 10
    assert not [row for row in ROWS if "::test_" not in row]
