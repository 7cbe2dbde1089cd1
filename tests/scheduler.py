"""A pytest plugin (`-p tests.scheduler`): distributes the tests over several workers.

A file of tests stays on one worker, and so do some folders. Each browser test is a unit of its own, because they share
no fixture of a file and some take a minute. The slowest start first, so that no worker is left alone with one at the
end. Browser tests come last: Playwright's event loop stays in the thread, and no other loop could run after it.
"""

import os
from typing import Any

import pytest

BROWSER = "tests/browser/"
# Tests that wait for processes or time run beside tests of many cases, so that no core is idle.
LONGEST = (
    "tests/test_slow_requests.py",
    "tests/receipt_rules/planner/test_core_properties.py",  # these two need no database, which is still being created
    "tests/domains/diagnosis/test_core_failures.py",
    "tests/faults/test_runs.py",
    "tests/domains/diagnosis/test_failures.py",
    "tests/sdk/test_newer_client.py",
    "tests/faults/test_migrating.py",
    "tests/sandbox/local/test_runner.py",
    "tests/faults/test_tenants.py",
    "tests/sdk/test_generated_clients.py",
    "tests/sandbox/test_seed_demo.py",
    "tests/sdk/test_sdk.py",
    "tests/operations/legacy_import/test_account.py",
    "tests/public_api/test_contract.py",
    "tests/browser/test_every_page.py",
    "tests/browser/test_main_job.py",
    "tests/browser/test_customer_journey.py",
    "tests/browser/test_share.py",
    "tests/browser/test_without_javascript.py",
    "tests/browser/test_pausing.py",
    "tests/browser/test_migrating.py",
    "tests/browser/test_mornings.py",
    "tests/browser/test_routing.py",
    "tests/browser/test_admin.py",
    "tests/browser/test_demo.py",
    "tests/browser/test_outage.py",
)
# Their shared fixtures are created once per worker and take long: npm packages, a second AWS emulator.
TOGETHER = ("tests/sdk/", "tests/emulator/")
# While one test waits for a process, a timer or a browser, another uses its core.
MORE_THAN_CORES = 2


def unit(nodeid: str) -> str:
    """Return the name of what stays together on one worker."""
    if folder := next((folder for folder in TOGETHER if nodeid.startswith(folder)), ""):
        return folder
    return nodeid if nodeid.startswith(BROWSER) else nodeid.partition("::")[0]


def rank(nodeid: str, *, in_browser: bool) -> tuple[bool, int]:
    """Return the rank: lower runs earlier. Tests of equal rank keep pytest's order."""
    file = nodeid.partition("::")[0]
    return in_browser, LONGEST.index(file) if file in LONGEST else len(LONGEST)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Move browser tests to the end. A single process otherwise keeps pytest-django's order."""
    shared = hasattr(config, "workerinput")
    items.sort(key=lambda item: rank(item.nodeid if shared else "", in_browser=_in_browser(item)))


def _in_browser(item: pytest.Item) -> bool:
    return item.get_closest_marker("browser") is not None


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Return the number of workers; PYTEST_XDIST_AUTO_NUM_WORKERS overrides it."""
    if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return None
    return (os.cpu_count() or 1) + MORE_THAN_CORES


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Return our scheduler, only for `--dist loadfile`."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False
    made = LoadFileScheduling(config, log)
    made._split_scope = unit
    return made
