"""Programs of the system that some tests need. CI installs them."""

import os
import shutil
from typing import NoReturn

import pytest


def program(name: str, *, package: str) -> str:
    """Return the program. Without it, the test is skipped; in CI, it fails."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin") or _cannot_run(name, package)


def _cannot_run(name: str, package: str) -> NoReturn:
    why = f"{name} is not installed: it comes with the Debian package {package}."
    if os.environ.get("CI") == "true":
        pytest.fail(why, pytrace=False)
    pytest.skip(why)
