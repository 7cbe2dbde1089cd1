"""Run once after all branches are merged: replaces the entries of e12d9ff6 (and rev3's) by changelog_regrouped.md.

Entries that others added or changed since stay, above it. Names what it didn't find, since somebody reworded it.
"""
import re, subprocess
from pathlib import Path

END = "- A form with an expired token says"


def entries(text):
    return [e.strip() for e in re.split(r"\n(?=- )", "\n" + text.strip()) if e.strip()]


def plain(entry):
    return " ".join(entry.split())


base = subprocess.run(["git", "show", "e12d9ff6:CHANGELOG.md"], capture_output=True, text=True, check=True).stdout
head, _, rest = base.partition("## Unreleased\n\n")
old = {plain(e) for e in entries(rest[: rest.index(END)])}
new = Path("changelog_regrouped.md").read_text() if Path("changelog_regrouped.md").exists() else subprocess.run(
    ["git", "show", "REGROUP:changelog_regrouped.md"], capture_output=True, text=True, check=True).stdout
path = Path("CHANGELOG.md")
head, mark, rest = path.read_text().partition("## Unreleased\n\n")
now, tail = rest[: rest.index(END)], rest[rest.index(END) :]
mine = "- Who changes a customer, tenant or domain that is deleted at this moment"
kept = [e for e in entries(now) if plain(e) not in old and not e.startswith(mine)]
for entry in sorted(old - {plain(e) for e in entries(now)}):
    print("Reworded elsewhere, compare by hand:", entry[:110])
path.write_text(head + mark + "".join(e + "\n" for e in kept) + ("\n" if kept else "") + new + tail)
