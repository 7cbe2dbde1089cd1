"""`python -m sandbox.local run | manage ... | browser | with-postgres COMMAND...`: for the Makefile."""

import argparse
import os
import subprocess
import sys

from inbound_admin.lib.errors import Problem
from sandbox.local import browser, runner, throw_away


def main(arguments: list[str]) -> int:
    """Return the exit status. A Problem is printed as its sentence."""
    asked = _parser().parse_args(arguments)
    try:
        return _do(asked)
    except Problem as problem:
        print(f"\n{problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox.local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="start everything until Ctrl-C")
    managed = commands.add_parser("manage", help="run a manage.py command on the database of `run`")
    managed.add_argument("managed", nargs=argparse.REMAINDER, metavar="COMMAND")
    commands.add_parser("browser", help="print the path of a Chromium, installing it if needed")
    wrapped = commands.add_parser("with-postgres", help="run a command on a temporary PostgreSQL")
    wrapped.add_argument("wrapped", nargs=argparse.REMAINDER, metavar="COMMAND")
    return parser


def _do(asked: argparse.Namespace) -> int:
    if asked.command == "run":
        return runner.run(runner.ROOT)
    if asked.command == "manage":
        return runner.manage(runner.ROOT, asked.managed)
    if asked.command == "with-postgres":
        return _with_postgres(asked.wrapped)
    print(browser.obtain())
    return 0


def _with_postgres(command: list[str]) -> int:
    if os.environ.get("DATABASE_URL"):
        return subprocess.run(command, check=False).returncode
    with throw_away.postgres() as server:
        return subprocess.run(command, check=False, env=os.environ | {"DATABASE_URL": server.url}).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
