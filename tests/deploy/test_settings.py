"""docs/deployment.md names every setting that production needs, and those settings are sufficient."""

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCS = (ROOT / "docs" / "deployment.md").read_text()
EXAMPLE = set(re.findall(r"^#([A-Z][A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
READ = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', (ROOT / "inbound_admin" / "settings.py").read_text()))
# Read by other programs: boto3, gunicorn, and compose itself.
OTHER_PROGRAMS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "WEB_CONCURRENCY"}
COMPOSE_ONLY = {"POSTGRES_PASSWORD"}
VALUES = {
    "SECRET_KEY": "of-a-test-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGH",
    "DATABASE_URL": os.environ.get("DATABASE_URL", ""),
    "ALLOWED_HOSTS": "inbound.example.com",
    "SITE_URL": "https://inbound.example.com",
    "EMAIL_URL": "smtp+tls://user:password@mail.acme.example:587",
    "DEFAULT_FROM_EMAIL": "inbound-admin@example.com",
    "AWS_REGION": "eu-west-1",
}


def rows(heading: str) -> dict[str, bool]:
    """Return whether each setting in the table below the heading is a secret."""
    part = DOCS.partition(f"### {heading}\n")[2].partition("\n#")[0]
    found = re.findall(r"^\| (`[^|]+`) \| (yes|no) \|", part, re.MULTILINE)
    return {name: secret == "yes" for names, secret in found for name in re.findall(r"`([A-Z_]+)`", names)}


REQUIRED, RECOMMENDED = rows("Required"), rows("Recommended")


def run_checks(environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    full_environment = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run(command, cwd=ROOT, env=full_environment, check=False, capture_output=True, text=True)


def test_each_documented_setting_exists() -> None:
    assert set(VALUES) == set(REQUIRED)
    assert set(REQUIRED) | set(RECOMMENDED) <= EXAMPLE | OTHER_PROGRAMS
    assert EXAMPLE - {"HOST", "PORT"} <= READ


def test_the_required_settings_pass_djangos_checks_and_ours() -> None:
    done = run_checks(VALUES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_missing_setting_without_a_usable_default_is_reported() -> None:
    """The region and the database have defaults that work for somebody."""
    assert "SECRET_KEY is not set" in run_checks({}).stderr
    done = run_checks({name: VALUES[name] for name in ("SECRET_KEY", "DATABASE_URL", "AWS_REGION")})
    assert done.returncode != 0
    assert not [
        name for name in ("ALLOWED_HOSTS", "SITE_URL", "EMAIL_URL", "DEFAULT_FROM_EMAIL") if name not in done.stderr
    ]


def test_the_example_for_compose_and_systemd_has_the_required_settings() -> None:
    named = set(re.findall(r"^#?([A-Z_]+)=", (ROOT / "deploy" / "production.env.example").read_text(), re.MULTILINE))
    assert set(REQUIRED) <= named
    assert named - COMPOSE_ONLY <= set(REQUIRED) | set(RECOMMENDED)


def test_on_kubernetes_secrets_are_in_the_secret_and_others_in_the_config_map() -> None:
    folder = ROOT / "deploy" / "kubernetes"
    settings = set(yaml.safe_load((folder / "settings.yaml").read_text())["data"])
    secrets = set(yaml.safe_load((folder / "secret.example.yaml").read_text())["stringData"])
    known = REQUIRED | RECOMMENDED
    assert set(REQUIRED) <= settings | secrets
    assert not [name for name in settings if known[name]]
    assert not [name for name in secrets if not known[name]]


def test_no_example_contains_a_secret() -> None:
    text = (ROOT / "deploy" / "production.env.example").read_text()
    for name in ("SECRET_KEY", "SEALING_KEY", "AWS_SECRET_ACCESS_KEY", "METRICS_TOKEN", "POSTGRES_PASSWORD"):
        assert re.search(rf"^{name}=$", text, re.MULTILINE), name
    assert "production.env\n" in (ROOT / ".gitignore").read_text()
