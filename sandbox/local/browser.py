"""Finds a Chromium for the browser tests, or installs one."""

import os
import shutil
import subprocess
from pathlib import Path

from playwright.sync_api import sync_playwright

from inbound_admin.lib.errors import Problem

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_APT_SECONDS = 300
# Quiet on a network that is closed; root has no sandbox to give.
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    *(("--no-sandbox",) if os.geteuid() == 0 else ()),
)


def find() -> str | None:
    """Return the path of an installed Chromium: on the PATH, or Playwright's own."""
    return next(filter(None, map(shutil.which, _NAMES)), None) or _playwrights_own()


def obtain() -> str:
    """Return the path of a Chromium, installed by apt-get if necessary and we are root. Raises Problem."""
    return find() or _installed()


def _playwrights_own() -> str | None:
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def _installed() -> str:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Problem(
            "No Chromium on the PATH and none of Playwright's own. Install your system's Chromium "
            "(Debian: `apt-get install chromium`) or run `.venv/bin/playwright install chromium`."
        )
    result = _apt_get("install", "--yes", "--no-install-recommends", "chromium")
    if result.returncode != 0:
        # A fresh machine has no package lists, or old ones.
        _apt_get("update")
        result = _apt_get("install", "--yes", "--no-install-recommends", "chromium")
    path = find()
    if path is None:
        last = (result.stderr.strip().splitlines() or ["no output"])[-1]
        raise Problem(f"No Chromium is installed, and `apt-get install chromium` failed: {last}")
    return path


def _apt_get(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "-qq", *arguments]
    try:
        return subprocess.run(
            command, check=False, env=environment, text=True, capture_output=True, timeout=_APT_SECONDS
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"timed out after {_APT_SECONDS} seconds")
