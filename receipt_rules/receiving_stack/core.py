"""The CloudFormation template of receiving with a deployment's names, and the archive of the function's code. Pure."""

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

_EPOCH = (1980, 1, 1, 0, 0, 0)  # time of every file, so that the same code gives the same archive


def filled_template(template: str, names: Mapping[str, str]) -> str:
    """Return the template with `names` as parameter defaults; "" keeps the template's own.

    Raises KeyError for others.
    """
    document: dict[str, Any] = json.loads(template)
    for name, value in names.items():
        parameter = document["Parameters"][name]
        if value:
            parameter["Default"] = value
    return json.dumps(document, indent=2)


def code_archive(files: Mapping[str, bytes]) -> bytes:
    """Return a ZIP file for Lambda. The same files give the same bytes; compressed, they depend on the machine."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[name])
    return packed.getvalue()


def code_hash(archive: bytes) -> str:
    """Return the hash that Lambda shows of it."""
    return base64.b64encode(hashlib.sha256(archive).digest()).decode()


def code_key(archive: bytes) -> str:
    """Return the object's key, which depends on the code: CloudFormation only updates code whose key changes."""
    return f"receiving-{hashlib.sha256(archive).hexdigest()[:16]}.zip"
