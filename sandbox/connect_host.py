"""A DNS host that simulates Domain Connect over HTTP, in several modes: the first part of the path below `/_connect/`.

`_domainconnect.ZONE TXT "127.0.0.1:PORT/_connect/supported"` makes a zone of the sandbox its customer. Its page
verifies the signature with the key in the sandbox's DNS, shows what it would add, and adds it on a click.
"""

import base64
import json
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from sandbox.control import Control
from sandbox.wire import CONNECT_PATH as PATH

MOODS = ("supported", "no_template", "unknown_domain", "down", "huge", "wrong_json", "redirect", "script", "no_page")
_TEMPLATE = Path(__file__).parent.parent / "domains" / "domain_connect" / "template.json"
_VARIABLE = re.compile(r"%(\w+)%")
Answered = tuple[str, list[tuple[str, str]], bytes]


def answer(environ: Mapping[str, Any], control: Control) -> Answered:
    mood, _, path = environ["PATH_INFO"].removeprefix(PATH).partition("/")
    base = f"http://{environ['HTTP_HOST']}{PATH}{mood}"
    if mood == "down":
        return _plain("503 Service Unavailable", "down")
    if path.endswith("/settings"):
        return _settings(mood, base)
    if path.endswith("/apply"):
        return _apply(environ["REQUEST_METHOD"], environ["QUERY_STRING"], control)
    return _plain("404 Not Found", "no template") if mood == "no_template" else _json({"version": 1})


def _settings(mood: str, base: str) -> Answered:
    response = {"providerId": "sandbox", "providerName": "Sandbox DNS", "urlSyncUX": base, "urlAPI": base}
    if mood == "unknown_domain":
        return _plain("404 Not Found", "not ours")
    if mood == "redirect":
        return "302 Found", [("Location", f"{base}/v2/round/settings")], b""
    if mood == "huge":
        return _json({**response, "more": "x" * 2_000_000})
    if mood == "wrong_json":
        return _plain("200 OK", "<html>It works</html>")
    if mood == "script":
        return _json({**response, "urlSyncUX": "javascript:alert(1)"})
    return _json({**response, "urlSyncUX": ""} if mood == "no_page" else response)


def _apply(method: str, query: str, control: Control) -> Answered:
    asked = {name: values[0] for name, values in parse_qs(query).items()}
    if not _is_signed(query, asked, control):
        return _plain("403 Forbidden", "The signature isn't valid.")
    records = made(asked)
    if method == "POST":
        for name, kind, value in records:
            control.add_record(asked["domain"], name, kind, value)
        return _plain("200 OK", "Added. You can close this window.")
    rows = "".join(f"<li><code>{escape(' '.join(record))}</code></li>" for record in records)
    page = f"<h1>Sandbox DNS</h1><p>Add to {escape(asked['domain'])}:</p><ul>{rows}</ul>"
    return _html(f"{page}<form method='post'><button>Connect</button></form>")


def made(asked: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Return name, type and value of the records of the requested groups."""
    below = f"{asked['host']}.{asked['domain']}" if "host" in asked else asked["domain"]
    found = []
    for record in json.loads(_TEMPLATE.read_text())["records"]:
        if record["groupId"] not in asked["groupId"].split(","):
            continue
        host, value = (
            _VARIABLE.sub(lambda match: asked[match.group(1)], text)
            for text in (record["host"], record.get("data") or record.get("pointsTo") or record["spfRules"])
        )
        if record["type"] == "SPFM":
            value = f"v=spf1 {value} ~all"
        if record["type"] == "MX":
            value = f"{record['priority']} {value}"
        kind = "TXT" if record["type"] == "SPFM" else record["type"]
        found.append((below if host == "@" else f"{host}.{below}", kind, value))
    return found


def _is_signed(query: str, asked: Mapping[str, str], control: Control) -> bool:
    """Verify by the public key at KEY.PROVIDER, which may be several TXT records."""
    signed = "&".join(part for part in query.split("&") if not part.startswith(("sig=", "key=")))
    parts = {}
    for zone in control.list_zones():
        for record in control.records(zone):
            if record.name.startswith(f"{asked.get('key', '')}.") and record.type == "TXT":
                parts_of_key = dict(part.split("=", 1) for part in record.value.split(","))
                parts[int(parts_of_key["p"])] = parts_of_key["d"]
    try:
        key = load_der_public_key(base64.b64decode("".join(parts[number] for number in sorted(parts))))
        if not isinstance(key, RSAPublicKey):
            return False
        key.verify(base64.b64decode(asked["sig"]), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, ValueError, KeyError):
        return False
    return True


def _json(body: object) -> Answered:
    return "200 OK", [("Content-Type", "application/json")], json.dumps(body).encode()


def _html(body: str) -> Answered:
    return "200 OK", [("Content-Type", "text/html; charset=utf-8")], body.encode()


def _plain(status: str, text: str) -> Answered:
    return status, [("Content-Type", "text/plain")], text.encode()
