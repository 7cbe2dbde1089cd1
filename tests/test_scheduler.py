"""The distribution of tests over workers: browser tests last, and the longest files first."""

from pathlib import Path

from tests.scheduler import BROWSER, LONGEST, TOGETHER, rank, unit

ROOT = Path(__file__).resolve().parents[1]


def test_a_file_stays_together_and_a_browser_test_is_its_own_unit() -> None:
    assert unit("tests/domains/test_views.py::test_one[a::b]") == unit("tests/domains/test_views.py::test_two")
    assert unit(f"{BROWSER}test_share.py::test_one") != unit(f"{BROWSER}test_share.py::test_two")


def test_files_that_share_slow_fixtures_stay_together() -> None:
    assert unit("tests/sdk/test_sdk.py::test_one") == unit("tests/sdk/test_newer_client.py::test_two")
    assert unit("tests/sdk/test_sdk.py::test_one") != unit("tests/emulator/test_calls.py::test_one")
    assert [folder for folder in TOGETHER if not (ROOT / folder).is_dir()] == []


def test_the_longest_files_come_first_and_browser_tests_last() -> None:
    tests = [
        (f"{BROWSER}test_share.py::test_it", True),
        (f"{BROWSER}test_every_page.py::test_every_url", False),
        ("tests/lib/test_aws_rate_limit.py::test_it", False),
        (f"{LONGEST[1]}::test_it", False),
        (f"{LONGEST[0]}::test_it", False),
    ]
    ordered = sorted(tests, key=lambda each: rank(each[0], in_browser=each[1]))
    assert [nodeid for nodeid, _ in ordered] == [tests[index][0] for index in (4, 3, 1, 2, 0)]


def test_the_files_named_as_long_exist() -> None:
    assert [name for name in LONGEST if not (ROOT / name).is_file()] == []
