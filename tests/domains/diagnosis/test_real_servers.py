"""The same mistakes on nsd, with unbound as the resolver: what is found does not hang on the sandbox's own servers."""

import pytest

from benchmarks.confusion import on_real_servers, on_real_servers_right
from tests.domains.mistakes import SCENES, Scene
from tests.domains.right_zones import RIGHT, surprises

pytestmark = pytest.mark.allow_hosts([*(f"127.0.0.{number}" for number in range(1, 12)), "127.0.0.250"])
A_FEW = ("dns.name.doubled_zone", "dns.alias.dname", "dns.delegation.sub_zone", "dns.value.spf_include")


def faults(scenes: list[Scene]) -> list[str]:
    return [
        f"{scene.id}: {sorted(codes)}, accusing {found.accusing}"
        for scene, found in on_real_servers(scenes)
        if scene.code not in (codes := {finding.code for finding in found.diagnosis.findings})
        or any(finding.mistake not in ("", scene.mistake) for finding in found.diagnosis.findings)
        or found.accusing
    ]


def test_a_few_mistakes_are_found_at_servers_of_other_people() -> None:
    some = [next(scene for scene in SCENES if scene.code == code) for code in A_FEW]
    assert len(on_real_servers(some)) == len(some)
    assert faults(some) == []


def test_a_right_zone_is_right_at_servers_of_other_people() -> None:
    ((_, found),) = on_real_servers_right(RIGHT[:1])
    assert (found.diagnosis.findings, found.accusing) == ((), 0)


@pytest.mark.soak
def test_every_mistake_that_honest_servers_can_hold_is_found_there_and_nothing_in_right_zones() -> None:
    scenes = list(SCENES)
    assert len({scene.id for scene, _ in on_real_servers(scenes)}) >= 70
    assert faults(scenes) == []
    right = on_real_servers_right(RIGHT)
    assert [zone.title for zone, found in right if surprises(zone, found.diagnosis) or found.accusing] == []
