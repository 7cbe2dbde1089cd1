"""`make confusion`: what the diagnosis finds in zones with a mistake and in correct zones, and with how many queries.

The zones are those of the tests. The table has a line for each mistake: what was made and what was found. Then each
lookup fails in turn, and the table shows which findings appear only because of that.
"""

import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from benchmarks import real_servers
from benchmarks.rows import Row, at_least, at_most, shown
from domains.diagnosis.core.codes import MISTAKES
from domains.diagnosis.core.findings import Diagnosis, DiagnosisFinding
from tests.domains.dns_host import Host, facts_of, serving
from tests.domains.failed_lookups import accusations_by_failure
from tests.domains.mistakes import (
    BY_HAND,
    FROM_MENU,
    SCENES,
    SPREADING,
    Scene,
    build_host,
    diagnose_scene,
    observe_scene,
)
from tests.domains.right_zones import CORRECT_ZONES, CorrectZone, build_correct_host, diagnose_zone, unexpected_codes

MISSED = 2  # mistakes that needn't be found
LEAST_MADE = 70
MEDIAN_SECONDS = 2.0
MOST_QUERIES = 60
REPEATED = 30
NOTHING = "nothing"


def rows() -> list[Row]:
    """Also prints the table. Takes some minutes."""
    table: dict[str, Counter[str]] = {}
    looks: list[tuple[Diagnosis, float]] = []
    for scene in SCENES:
        looks.append(_timed(partial(diagnose_scene, scene)))
        table.setdefault(scene.id, Counter()).update([_named(looks[-1][0].findings)])
    right = [_timed(partial(diagnose_zone, one)) for one in CORRECT_ZONES]
    table["right"] = Counter(
        _named(unexpected_codes(one, found)) for one, (found, _) in zip(CORRECT_ZONES, right, strict=True)
    )
    print(as_table(table), file=sys.stderr)
    seconds = [took for _, took in (*looks, *right)]
    return [
        at_least("mistakes made", len({scene.id for scene in SCENES}), "", LEAST_MADE),
        at_least(f"mistakes found, of {len(MISTAKES)}", _found(table), "", len(MISTAKES) - MISSED),
        at_most("wrong findings in zones with a mistake", _wrong(table), "", 0),
        at_most("findings in right zones", sum(table["right"].values()) - table["right"][NOTHING], "", 0),
        at_most("findings that accuse, with one lookup failed", _accused(), "", 0),
        at_most("a diagnosis, median", statistics.median(seconds), "s", MEDIAN_SECONDS),
        shown("a diagnosis, slowest (silent name servers)", max(seconds), "s"),
        at_most("questions of a diagnosis, most", max(found.asked for found, _ in (*looks, *right)), "", MOST_QUERIES),
        shown("diagnoses of a right domain a second", _a_second(), "/s"),
        *_by_other_programs(),
    ]


@dataclass(frozen=True)
class OnRealServers:
    """What was found, and how many findings appeared only because a lookup failed, each response failed once."""

    diagnosis: Diagnosis
    accusing: int


def _by_other_programs() -> list[Row]:
    """Run the same zones on nsd with unbound as the resolver, as far as honest servers can serve them."""
    table: dict[str, Counter[str]] = {}
    found, right = on_real_servers(SCENES), on_real_servers_right(CORRECT_ZONES)
    for scene, one in found:
        table.setdefault(scene.id, Counter()).update([_named(one.diagnosis.findings)])
    lost = [scene.id for scene, one in found if scene.code not in {finding.code for finding in one.diagnosis.findings}]
    accusing = sum(one.accusing for _, one in (*found, *right))
    false = sum(len(unexpected_codes(zone, one.diagnosis)) for zone, one in right)
    return [
        at_least("nsd and unbound: mistakes made", len(table), "", LEAST_MADE),
        at_most("nsd and unbound: mistakes not found", len(lost), "", 0),
        at_most("nsd and unbound: wrong findings in zones with a mistake", _wrong(table), "", 0),
        at_most("nsd and unbound: findings in right zones", false, "", 0),
        at_most("nsd and unbound: findings that accuse, with one lookup failed", accusing, "", 0),
        shown("nsd and unbound: right zones", len(right), ""),
    ]


def on_real_servers(scenes: Iterable[Scene]) -> list[tuple[Scene, OnRealServers]]:
    """Return the scenes that honest servers can serve."""
    found = ((scene, _on_real_servers(build_host(scene))) for scene in scenes if scene is not SPREADING)
    return [(scene, one) for scene, one in found if one is not None]


def on_real_servers_right(zones: Iterable[CorrectZone]) -> list[tuple[CorrectZone, OnRealServers]]:
    found = ((right, _on_real_servers(build_correct_host(right))) for right in zones)
    return [(right, one) for right, one in found if one is not None]


def _on_real_servers(host: Host) -> OnRealServers | None:
    try:
        with real_servers.serving(host.store) as (resolver, port):
            seen = host.observe_at(resolver, port)
    except real_servers.Unservable:
        return None
    return OnRealServers(host.diagnosis_of(seen), len(accusations_by_failure(host, seen)))


def _accused() -> int:
    """Return the findings that appeared only because a lookup failed, each response of each zone failed once."""
    return sum(len(accusations_by_failure(*observe_scene(scene))) for scene in (*FROM_MENU, *BY_HAND))


def _a_second() -> float:
    """Return diagnoses per second, one after the other, at one server. Its start isn't measured."""
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
    """Return one line for each mistake: in how many zones it was made, and what was found in how many."""
    wide = max(map(len, table))
    lines = [f"{'made':<{wide}}  zones  found"]
    for made in sorted(table):
        found = ", ".join(f"{what} {times}" for what, times in table[made].most_common())
        lines.append(f"{made:<{wide}}  {sum(table[made].values()):>5}  {found}")
    return "\n".join(lines)


def _named(findings: Iterable[DiagnosisFinding]) -> str:
    """Return the numbers of the found mistakes."""
    return "+".join(sorted({f.mistake or f.code for f in findings if f.mistake or f.stops})) or NOTHING


def _found(table: dict[str, Counter[str]]) -> int:
    """Return the number of mistakes that are found in each of their zones."""
    made = {scene.id: scene.mistake for scene in SCENES}
    missed = {
        made[each] for each, found in table.items() if each in made for what in found if not _holds(made[each], what)
    }
    return len(set(MISTAKES) - missed)


def _wrong(table: dict[str, Counter[str]]) -> int:
    """Return the number of zones with a finding of a mistake that wasn't made."""
    made = {scene.id: scene.mistake for scene in SCENES}
    return sum(
        times
        for each, found in table.items()
        for what, times in found.items()
        if each in made and any(part.startswith("M") and part != made[each] for part in what.split("+"))
    )


def _holds(made: str, what: str) -> bool:
    return made in what.split("+")


def _timed(look: Callable[[], Diagnosis]) -> tuple[Diagnosis, float]:
    began = time.perf_counter()
    found = look()
    return found, time.perf_counter() - began
