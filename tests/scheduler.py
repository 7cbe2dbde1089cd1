"""A pytest plugin (`-p tests.scheduler`): how workers share the tests out, where there are several.

A file of tests stays on one worker; a browser test is a unit of its own, since those share no fixture of a file, and
some take a minute. What takes longest begins first, so that no worker is left alone with it at the end. Browser tests
come last: Playwright's loop stays in the thread, and nothing else could run one of its own after it.
"""

import os
from typing import Any

import pytest

BROWSER = "tests/browser/"
# Of the files that wait for other processes and for time to pass, or try many cases.
LONGEST = (
    "tests/test_slow_requests.py",
    "tests/domains/diagnosis/test_failures.py",
)
# While one test waits for a process, a clock or a browser, another takes its core.
MORE_THAN_CORES = 1


def unit(nodeid: str) -> str:
    """What stays together on one worker."""
    return nodeid if nodeid.startswith(BROWSER) else nodeid.partition("::")[0]


def rank(nodeid: str, *, in_browser: bool) -> tuple[bool, int]:
    """Lower is earlier; what has the same rank stays in pytest's order."""
    file = nodeid.partition("::")[0]
    return in_browser, LONGEST.index(file) if file in LONGEST else len(LONGEST)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: rank(item.nodeid, in_browser=item.get_closest_marker("browser") is not None))


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """What PYTEST_XDIST_AUTO_NUM_WORKERS says comes first."""
    if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return None
    return (os.cpu_count() or 1) + MORE_THAN_CORES


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """For `--dist loadfile` alone."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False
    made = LoadFileScheduling(config, log)
    made._split_scope = unit
    return made
