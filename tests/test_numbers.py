"""Numbers for people have thousands separators; numbers for programs have none."""

import re
from pathlib import Path

import pytest
from django.core.paginator import Paginator
from django.template import engines
from django.test import RequestFactory

TEMPLATES = sorted((Path(__file__).resolve().parents[1] / "templates").rglob("*.*"))
# Variables whose last part is an ID or a number to copy, never a count.
EXACT = re.compile(r"\{\{\s*(?:\w+\.)*(?:pk|ttl|serial|priority|snapshot|instead_of)\s*\}\}")
DRAWN = re.compile(r'\b(?:value|max|x|y|width|height)="\{\{\s*(?:done|total|meter\.\w+|segment\.\w+)\s*\}\}"')


def rendered(text: str, **context: object) -> str:
    return engines["django"].from_string(text).render(context, RequestFactory().get("/domains/"))


@pytest.mark.parametrize(
    ("number", "shown"), [(999, "999"), (1000, "1,000"), (1234567, "1,234,567"), (1234.5, "1,234.5")]
)
def test_a_count_in_a_template_has_separators(number: float, shown: str) -> None:
    assert rendered("{{ number }}", number=number) == shown


def test_the_number_of_pages_rows_and_results_has_separators() -> None:
    page = Paginator(range(12_345), 50).page(3)
    text = rendered('{% cotton pagination :page="page" noun="domains" %}{% endcotton %}', page=page)
    assert "12,345 domains" in text


def test_progress_shows_separators_and_gives_the_browser_none() -> None:
    text = rendered('{% cotton progress :done="done" :total="total" %}{% endcotton %}', done=1200, total=34_000)
    assert 'value="1200" max="34000"' in text
    assert "1,200 of 34,000" in text


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_ids_and_exact_numbers_are_written_without_separators(path: Path) -> None:
    found = [hit[0] for pattern in (EXACT, DRAWN) for hit in pattern.finditer(path.read_text())]
    assert not found, "add |unlocalize to " + ", ".join(found)
