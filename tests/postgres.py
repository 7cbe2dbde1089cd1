"""A pytest plugin (`-p tests.postgres`): a temporary PostgreSQL that exists before Django's settings are read.

Tests run as in the sandbox, whatever a developer's .env contains, unless SANDBOX is set where pytest is called. It is a
hook wrapper, because pytest-django reads the settings in the same hook and is registered later, so it would run first.
"""

import os
from collections.abc import Generator
from contextlib import ExitStack

import pytest

from sandbox.local import throw_away


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    """Start it unless DATABASE_URL names another or pytest-django is turned off. pytest's cleanup stops it."""
    os.environ.setdefault("SANDBOX", "1")
    if early_config.pluginmanager.has_plugin("django") and not os.environ.get("DATABASE_URL"):
        stack = ExitStack()
        early_config.add_cleanup(stack.close)
        os.environ["DATABASE_URL"] = stack.enter_context(throw_away.postgres()).url
        stack.callback(os.environ.pop, "DATABASE_URL", None)
    return (yield)
