"""The same mistakes on nsd, with unbound as the resolver: the diagnosis does not depend on the sandbox's servers."""

import pytest

from benchmarks.confusion import on_real_servers, on_real_servers_right
from tests.domains.mistakes import SCENES, Scene
from tests.domains.right_zones import CORRECT_ZONES, unexpected_codes

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


def test_a_few_mistakes_are_found_at_nsd_and_unbound() -> None:
    some = [next(scene for scene in SCENES if scene.code == code) for code in A_FEW]
    assert len(on_real_servers(some)) == len(some)
    assert faults(some) == []


def test_a_correct_zone_has_no_findings_at_nsd_and_unbound() -> None:
    ((_, found),) = on_real_servers_right(CORRECT_ZONES[:1])
    assert (found.diagnosis.findings, found.accusing) == ((), 0)


@pytest.mark.soak
def test_every_mistake_that_nsd_can_serve_is_found_and_correct_zones_have_none() -> None:
    scenes = list(SCENES)
    assert len({scene.id for scene, _ in on_real_servers(scenes)}) >= 70
    assert faults(scenes) == []
    right = on_real_servers_right(CORRECT_ZONES)
    assert [zone.title for zone, found in right if unexpected_codes(zone, found.diagnosis) or found.accusing] == []
