"""CONTRIBUTING.md names only files that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAMED = re.findall(r"`([\w./]+\.(?:py|html|md|example|toml))`", (ROOT / "CONTRIBUTING.md").read_text())


def test_each_named_file_exists() -> None:
    paths = [name for name in NAMED if "/" in name]
    assert len(paths) > 15
    assert [path for path in paths if not (ROOT / path).exists()] == []


MAPPED = ("notifications", "tenants", "domains", "receipt_rules", "operations")
NO_SUBJECTS = {"models", "migrations", "management"}


def test_the_map_has_every_subject() -> None:
    drawn = (ROOT / "CONTRIBUTING.md").read_text().partition("**Subject first")[0]
    there = {each.parent.name for app in MAPPED for each in (ROOT / app).glob("*/__init__.py")} - NO_SUBJECTS
    assert there - set(re.findall(r"\w+", drawn)) == set()
