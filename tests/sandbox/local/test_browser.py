"""The Chromium that the browser tests use."""

from pathlib import Path

import pytest

from inbound_admin.lib.errors import Problem
from sandbox.local import browser


def test_a_chromium_on_the_path_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("google-chrome", "chromium"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert browser.obtain() == str(tmp_path / "chromium")


def test_without_chromium_and_apt_get_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    with pytest.raises(Problem, match=r"No Chromium on the PATH.*apt-get install chromium"):
        browser.obtain()
