"""Numbers for people have thousands separators; numbers for programs have none."""

import re
from pathlib import Path

import pytest
from django.core.paginator import Paginator
from django.template import engines
from django.test import RequestFactory

from inbound_admin.lib.lists import MOST_COUNTED, Bounded

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


@pytest.mark.parametrize(
    ("number", "shown"), [(999, "999"), (5_000, "5,000"), (MOST_COUNTED, "10,000"), (99_999, "10,000+")]
)
def test_a_bounded_count_in_a_template_says_that_there_are_more(number: int, shown: str) -> None:
    assert rendered("{{ number|counted }}", number=Bounded(number)) == shown
    counted = rendered('{% cotton count_filter label="Live" :count="number" %}{% endcotton %}', number=Bounded(number))
    assert f">{shown}</span>" in counted


@pytest.mark.parametrize(("number", "shown"), [(5_000, "of 5,000 rows"), (10_001, "of 10,000+ rows")])
def test_a_long_list_shows_its_number_of_rows(number: int, shown: str) -> None:
    page = Paginator(range(60), 50).page(1)
    page.paginator.count = Bounded(number)
    tags = (
        '{% cotton pagination :page="page" %}{% endcotton %}',
        '{% cotton select_all :page="page" %}{% endcotton %}',
    )
    text = rendered("".join(tags), page=page)
    assert shown in text
    assert f"All {shown.removeprefix('of ')}" in text


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_the_count_of_a_list_is_shown_as_one(path: Path) -> None:
    assert "paginator.count }}" not in path.read_text(), "add |counted: it may be more than is counted"
