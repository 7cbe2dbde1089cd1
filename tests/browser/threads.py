"""Services that make DNS lookups, called from a browser test."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import connection

Given = ParamSpec("Given")
Result = TypeVar("Result")


def run_in_thread(run: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs) -> Result:
    """Run in a separate thread: Playwright's loop runs in the test's, and asyncio allows one loop per thread."""

    def work() -> Result:
        try:
            return run(*args, **kwargs)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()
