"""docs/deployment.md names every setting that production needs, and what it names is enough."""

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
# Read by somebody else: boto3, gunicorn, and compose itself.
OTHERS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "WEB_CONCURRENCY"}
OF_COMPOSE = {"POSTGRES_PASSWORD"}
GIVEN = {
    "SECRET_KEY": "of-a-test-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGH",
    "DATABASE_URL": os.environ.get("DATABASE_URL", ""),
    "ALLOWED_HOSTS": "inbound.example.com",
    "SITE_URL": "https://inbound.example.com",
    "EMAIL_URL": "smtp+tls://user:password@smtp.example.com:587",
    "DEFAULT_FROM_EMAIL": "inbound-admin@example.com",
    "AWS_REGION": "eu-west-1",
}


def rows(heading: str) -> dict[str, bool]:
    """By setting of the table below the heading, whether it is a secret."""
    part = DOCS.partition(f"### {heading}\n")[2].partition("\n#")[0]
    found = re.findall(r"^\| (`[^|]+`) \| (yes|no) \|", part, re.MULTILINE)
    return {name: secret == "yes" for names, secret in found for name in re.findall(r"`([A-Z_]+)`", names)}


REQUIRED, RECOMMENDED = rows("Required"), rows("Recommended")


def checked(environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    told = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run(command, cwd=ROOT, env=told, check=False, capture_output=True, text=True)


def test_each_setting_that_it_names_is_one() -> None:
    assert set(GIVEN) == set(REQUIRED)
    assert set(REQUIRED) | set(RECOMMENDED) <= EXAMPLE | OTHERS
    assert EXAMPLE - {"HOST", "PORT"} <= READ


def test_what_it_requires_is_enough_for_djangos_checks_and_ours() -> None:
    done = checked(GIVEN)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_of_them_without_a_right_default_is_missed() -> None:
    """The region and the database have defaults that are somebody's."""
    assert "SECRET_KEY is not set" in checked({}).stderr
    done = checked({name: GIVEN[name] for name in ("SECRET_KEY", "DATABASE_URL", "AWS_REGION")})
    assert done.returncode != 0
    assert not [
        name for name in ("ALLOWED_HOSTS", "SITE_URL", "EMAIL_URL", "DEFAULT_FROM_EMAIL") if name not in done.stderr
    ]


def test_the_example_for_compose_and_systemd_has_what_is_required() -> None:
    named = set(re.findall(r"^#?([A-Z_]+)=", (ROOT / "deploy" / "production.env.example").read_text(), re.MULTILINE))
    assert set(REQUIRED) <= named
    assert named - OF_COMPOSE <= set(REQUIRED) | set(RECOMMENDED)


def test_on_kubernetes_secrets_stand_in_the_secret_and_the_rest_in_the_settings() -> None:
    folder = ROOT / "deploy" / "kubernetes"
    settings = set(yaml.safe_load((folder / "settings.yaml").read_text())["data"])
    secrets = set(yaml.safe_load((folder / "secret.example.yaml").read_text())["stringData"])
    known = REQUIRED | RECOMMENDED
    assert set(REQUIRED) <= settings | secrets
    assert not [name for name in settings if known[name]]
    assert not [name for name in secrets if not known[name]]


def test_no_secret_is_in_an_example() -> None:
    text = (ROOT / "deploy" / "production.env.example").read_text()
    for name in ("SECRET_KEY", "SEALING_KEY", "AWS_SECRET_ACCESS_KEY", "METRICS_TOKEN", "POSTGRES_PASSWORD"):
        assert re.search(rf"^{name}=$", text, re.MULTILINE), name
    assert "production.env\n" in (ROOT / ".gitignore").read_text()
