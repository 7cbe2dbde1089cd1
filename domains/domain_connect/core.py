"""Domain Connect, synchronous flow: parses a DNS host's settings and builds the signed link to its page. Pure.

A link has only records whose names are unused and that our template creates exactly as required, so that no host
replaces a customer's record. The specification is "Domain Connect Spec Draft", 2.2, of domainconnect.org.
"""

import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from domains.names.core import DomainName
from domains.records.core import IdentityFacts, Record, records_for

TEMPLATE: Mapping[str, Any] = json.loads(Path(__file__).with_name("template.json").read_text())
_PLACE = re.compile(r"(?P<host>[a-z0-9.-]{1,253}(?::\d{1,5})?)(?P<path>/[\w.~/-]{0,200})?", re.IGNORECASE)
_VARIABLE = re.compile(r"%(\w+)%")
_CHUNK = 200  # characters of the public key in one TXT record
LONGEST_NAME = 60


@dataclass(frozen=True)
class ConnectHost:
    """A DNS host with Domain Connect: its display `name`, and the base URLs of its page and its API.

    Both URLs are validated.
    """

    name: str
    page: str
    api: str


@dataclass(frozen=True)
class ConnectIdentity:
    """The ids of our template at DNS hosts, and the signing key. `key_name` is where the public key is published."""

    provider: str
    service: str
    key: rsa.RSAPrivateKey
    key_name: str


@dataclass(frozen=True)
class ConnectLink:
    """`keys` of the records that the host's page would add."""

    host: str
    url: str
    keys: tuple[str, ...]


def settings_host(values: Iterable[str]) -> str:
    """Return the host that serves the settings, from the TXT values at `_domainconnect`; "" if none is valid."""
    found = (text.strip().strip('"').rstrip("/") for text in values)
    return next((text for text in found if len(text) < 400 and _PLACE.fullmatch(text)), "")


def read_settings(body: bytes, *, schemes: Sequence[str]) -> ConnectHost | None:
    """Parse a host's settings. None if they are not valid JSON, or have no page for the synchronous flow."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict):
        return None
    page, api = (_address(data.get(name), schemes) for name in ("urlSyncUX", "urlAPI"))
    name = data.get("providerDisplayName") or data.get("providerName")
    if not (page and api and isinstance(name, str)):
        return None
    shown = " ".join("".join(char for char in name if char.isprintable()).split())[:LONGEST_NAME]
    return ConnectHost(shown or "your DNS host", page, api)


def _address(text: object, schemes: Sequence[str]) -> str:
    if not isinstance(text, str) or len(text) > 500 or not text.isascii() or not text.isprintable() or " " in text:
        return ""
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    is_good = parts.scheme in schemes and parts.hostname and parts.username is None and not parts.query
    return text.rstrip("/") if is_good and not parts.fragment else ""


def template_path(identity: ConnectIdentity) -> str:
    return f"/v2/domainTemplates/providers/{quote(identity.provider)}/services/{quote(identity.service)}"


def template_for(provider: str, service: str, name: str) -> dict[str, Any]:
    """Return the template to register under these ids."""
    ids = {"providerId": provider, "providerName": name, "serviceId": service, "syncPubKeyDomain": provider}
    return {**TEMPLATE, **ids}


def key_records(identity: ConnectIdentity) -> tuple[tuple[str, str], ...]:
    """Return name and value of each TXT record with a part of the public key."""
    wanted = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    text = base64.b64encode(identity.key.public_key().public_bytes(*wanted)).decode()
    parts = [text[at : at + _CHUNK] for at in range(0, len(text), _CHUNK)]
    name = f"{identity.key_name}.{identity.provider}"
    return tuple((name, f"p={number},a=RS256,d={part}") for number, part in enumerate(parts, start=1))


def read_key(text: str) -> rsa.RSAPrivateKey:
    """Parse a PEM key, whose line breaks may be written as "\\n". Raises ValueError."""
    try:
        key = serialization.load_pem_private_key(text.replace("\\n", "\n").encode(), password=None)
    except TypeError as error:
        raise ValueError("the key has a password") from error
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < 2048:
        raise ValueError("an RSA key of at least 2048 bits is required")
    return key


def link_for(
    host: ConnectHost, identity: ConnectIdentity, facts: IdentityFacts, hosted: DomainName, absent: Sequence[Record]
) -> ConnectLink | None:
    """Return the signed link; None if the template creates none of the `absent` records, whose names are unused."""
    given = variables(facts)
    made = expand_template(given, hosted)
    keys = tuple(r.key for r in absent if made.get(r.key) == (r.name, r.type, r.value, r.priority))
    if not keys:
        return None
    below = hosted.ascii.removesuffix(hosted.zone).rstrip(".")
    parameters = {"domain": hosted.zone, **({"host": below} if below else {}), **given, "groupId": ",".join(keys)}
    query = urlencode(parameters, quote_via=quote)
    signature = quote(signed(query, identity.key), safe="")
    url = f"{host.page}{template_path(identity)}/apply?{query}&key={quote(identity.key_name)}&sig={signature}"
    return ConnectLink(host.name, url, keys)


def signed(query: str, key: rsa.RSAPrivateKey) -> str:
    """Sign the query string as sent: RSA with SHA-256, in base64."""
    return base64.b64encode(key.sign(query.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()


def variables(facts: IdentityFacts) -> dict[str, str]:
    """Return the known variables. A record that needs an unknown one is not created."""
    dmarc = next((record.value for record in records_for(facts) if record.key == "dmarc"), "")
    keys = {f"dkim{number}": token for number, token in enumerate(facts.dkim_tokens[:3], start=1)}
    known = {
        "verification": facts.verification_token,
        **keys,
        "dkimzone": facts.dkim_zone,
        "mailfrom": facts.mail_from.removesuffix(f".{facts.domain.ascii}"),
        "region": facts.region,
        "dmarc": dmarc.removeprefix("v=DMARC1; "),
    }
    return {name: value for name, value in known.items() if value}


def expand_template(given: Mapping[str, str], hosted: DomainName) -> dict[str, tuple[str, str, str, int | None]]:
    """Return what a host creates from the template, by group, without groups that need an unknown variable."""
    found = {}
    for record in TEMPLATE["records"]:
        raw = record.get("data") or record.get("pointsTo") or record["spfRules"]
        needed = set(_VARIABLE.findall(f"{record['host']} {raw}"))
        if not needed <= set(given):
            continue
        name, value = (_VARIABLE.sub(lambda match: given[match.group(1)], text) for text in (record["host"], raw))
        absolute = hosted.ascii if name == "@" else f"{name}.{hosted.ascii}"
        is_spf = record["type"] == "SPFM"
        kind, value = ("TXT", f"v=spf1 {value} ~all") if is_spf else (record["type"], value)
        found[record["groupId"]] = (absolute, kind, value, record.get("priority"))
    return found
