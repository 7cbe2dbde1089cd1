"""The Makefile's errors about an unsuitable Python, on a copy and with a stand-in for python3."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
WITHOUT_VENV = """#!/bin/sh
case "$*" in *ensurepip*) echo "No module named 'ensurepip'" >&2; exit 1;; esac
exit 0
"""
TOO_OLD = """#!/bin/sh
case "$*" in -V) echo "Python 3.9.2";; *version_info*) exit 1;; esac
exit 0
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for name in ("Makefile", "requirements-dev.lock"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def make(clone: Path, target: str, python: str | None) -> "subprocess.CompletedProcess[str]":
    """Run `make target` with this program as `python3`, or without any."""
    programs = clone / "programs"
    programs.mkdir()
    for name in ("sh", "make", "awk", "cp", "timeout"):
        found = shutil.which(name)
        assert found
        (programs / name).symlink_to(found)
    if python is not None:
        (programs / "python3").write_text(python)
        (programs / "python3").chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = [str(programs / "make"), target]
    return subprocess.run(
        command, check=False, cwd=clone, env=environment | {"PATH": str(programs)}, text=True, capture_output=True
    )


def test_a_python_without_venv_names_the_package(clone: Path) -> None:
    made = make(clone, "run", WITHOUT_VENV)
    assert made.returncode != 0
    assert "apt-get install python3-venv" in made.stdout
    assert not (clone / ".venv").exists()


def test_an_old_python_is_named_with_its_version(clone: Path) -> None:
    made = make(clone, "test", TOO_OLD)
    assert made.returncode != 0
    assert "needs Python 3.11 or newer; python3 is Python 3.9.2" in made.stdout
    assert "make test PYTHON=" in made.stdout


def test_a_missing_python_is_named(clone: Path) -> None:
    made = make(clone, "run", None)
    assert made.returncode != 0
    assert "there is no python3 here" in made.stdout


def test_help_lists_every_public_target(clone: Path) -> None:
    listed = set(re.findall(r"^  make (\w+)", make(clone, "help", None).stdout, re.MULTILINE))
    assert listed >= {"run", "check", "test", "soak", "bench", "css", "lock", "format", "screenshots", "clean"}


def test_make_without_a_target_shows_the_help(clone: Path) -> None:
    assert "make run" in make(clone, "--", None).stdout
