"""Every URL name in templates and tables exists. `{% url … as … %}` hides a missing one: its link is missing."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.urls import get_resolver

from notifications.alerts.core import PAGES, REGION_PAGES, STAFF_PAGES

ROOT = Path(settings.BASE_DIR)
TAG = re.compile(r"\{%\s*url\s+(?P<name>\S+)(?P<rest>[^%]*)%\}")
DYNAMIC = {"need.page", "meter_page"}  # from tables in Python, which the second test reads
TEMPLATES = sorted(path for path in (ROOT / "templates").rglob("*") if path.is_file() and "{% url" in path.read_text())
APPS = ("accounts", "audit", "domains", "inbound_admin", "notifications", "operations", "receipt_rules", "sandbox")
SOURCES = [path for app in (*APPS, "tenants") for path in sorted((ROOT / app).rglob("*.py"))]


def _walk(resolver: Any, prefix: str = "") -> Iterator[tuple[str, int]]:
    for name in resolver.reverse_dict:
        if isinstance(name, str):
            for ways, *_ in resolver.reverse_dict.getlist(name):
                yield from ((prefix + name, len(parameters)) for _, parameters in ways)
    for namespace, (_, below) in resolver.namespace_dict.items():
        yield from _walk(below, f"{prefix}{namespace}:")


@cache
def known() -> dict[str, set[int]]:
    """Return how many arguments each URL name takes."""
    found: dict[str, set[int]] = {}
    for name, arguments in _walk(get_resolver()):
        found.setdefault(name, set()).add(arguments)
    return found


def _wrong_in_template(path: Path) -> Iterator[str]:
    for tag in TAG.finditer(path.read_text()):
        name, given = tag["name"], tag["rest"].split(" as ")[0].split()
        if name not in DYNAMIC and len(given) not in known().get(name.strip("\"'"), set()):
            yield f"{path}: {tag[0]}"


def test_each_url_in_a_template_exists_with_its_arguments() -> None:
    assert [wrong for path in TEMPLATES for wrong in _wrong_in_template(path)] == []


def _wrong_in_source(path: Path) -> Iterator[str]:
    namespaces = {name.partition(":")[0] for name in known() if ":" in name}
    for node in ast.walk(ast.parse(path.read_text())):
        named = str(node.value) if isinstance(node, ast.Constant) else ""
        looks_like_one = re.fullmatch(r"[a-z_]+:[a-z_]+", named) and named.partition(":")[0] in namespaces
        if looks_like_one and named not in known():
            yield f"{path}: {named}"


def test_each_string_that_looks_like_a_url_name_exists() -> None:
    assert [wrong for path in SOURCES for wrong in _wrong_in_source(path)] == []


def test_unknown_names_are_found(tmp_path: Path) -> None:
    page, source = tmp_path / "page.html", tmp_path / "source.py"
    page.write_text("{% url 'accounts:tenant' tenant.pk as there %}{% url 'tenants:detail' %}{% url 'tenants:list' %}")
    source.write_text("PAGES = {'tenant': 'accounts:tenant', 'drift': 'operations:differences'}")
    assert len(list(_wrong_in_template(page))) == 2
    assert len(list(_wrong_in_source(source))) == 1


def test_alert_pages_take_the_objects_id_and_region_pages_none() -> None:
    assert all(known()[name] == {1} for name in (PAGES | STAFF_PAGES).values())
    assert all(known()[name] == {0} for name in REGION_PAGES.values())
