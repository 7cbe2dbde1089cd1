"""What the diagnosis finds in a zone of each mistake, and in right zones; how long and how many questions.

The zones are those of the tests. The table has a line for each mistake: what was made, and what was found in its place.
"""

import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial

from benchmarks.rows import Row, at_least, at_most, shown
from domains.diagnosis.core.codes import MISTAKES
from domains.diagnosis.core.findings import Diagnosis
from tests.domains.mistakes import SCENES, Host, facts_of, play, serving
from tests.domains.right_zones import RIGHT, look_at

MISSED = 2  # mistakes that need not be found
MEDIAN_SECONDS = 2.0
MOST_QUERIES = 60
REPEATED = 30
NOTHING = "nothing"


def rows() -> list[Row]:
    """Prints the table as well; takes about ten seconds."""
    table: dict[str, Counter[str]] = {}
    looks: list[tuple[Diagnosis, float]] = []
    for scene in SCENES:
        looks.append(_timed(partial(play, scene)))
        table.setdefault(scene.mistake, Counter()).update([_named(looks[-1][0])])
    right = [_timed(partial(look_at, one)) for one in RIGHT]
    table["right"] = Counter(_named(found) for found, _ in right)
    print(as_table(table), file=sys.stderr)
    seconds = [took for _, took in (*looks, *right)]
    return [
        at_least(f"mistakes found, of {len(MISTAKES)}", _found(table), "", len(MISTAKES) - MISSED),
        at_most("wrong findings in zones with a mistake", _wrong(table), "", 0),
        at_most("findings in right zones", sum(table["right"].values()) - table["right"][NOTHING], "", 0),
        at_most("a diagnosis, median", statistics.median(seconds), "s", MEDIAN_SECONDS),
        shown("a diagnosis, slowest (silent name servers)", max(seconds), "s"),
        at_most("questions of a diagnosis, most", max(found.asked for found, _ in (*looks, *right)), "", MOST_QUERIES),
        shown("diagnoses of a right domain a second", _a_second(), "/s"),
    ]


def _a_second() -> float:
    """One after the other, at one server: without its start, which the times above have in them."""
    with serving() as (store, server, address):
        host = Host(store, facts_of())
        host.open()
        host.publish()
        host.diagnose(server, address)
        began = time.perf_counter()
        for _ in range(REPEATED):
            host.diagnose(server, address)
        return REPEATED / (time.perf_counter() - began)


def as_table(table: dict[str, Counter[str]]) -> str:
    """A line for each mistake: in how many zones it was made, and what was found in how many."""
    lines = ["made   zones  found"]
    for made in sorted(table):
        found = ", ".join(f"{what} {times}" for what, times in table[made].most_common())
        lines.append(f"{made:<6} {sum(table[made].values()):>5}  {found}")
    return "\n".join(lines)


def _named(found: Diagnosis) -> str:
    """The mistakes that were found, by number."""
    return "+".join(sorted({f.mistake or f.code for f in found.findings if f.mistake or f.stops})) or NOTHING


def _found(table: dict[str, Counter[str]]) -> int:
    """Mistakes that are found in each of their zones."""
    return sum(all(_holds(made, what) for what in found) for made, found in table.items() if made != "right")


def _wrong(table: dict[str, Counter[str]]) -> int:
    """Zones in which a mistake that nobody made was found."""
    return sum(
        times
        for made, found in table.items()
        for what, times in found.items()
        if made != "right" and any(part.startswith("M") and part != made for part in what.split("+"))
    )


def _holds(made: str, what: str) -> bool:
    return made in what.split("+")


def _timed(look: Callable[[], Diagnosis]) -> tuple[Diagnosis, float]:
    began = time.perf_counter()
    found = look()
    return found, time.perf_counter() - began
