"""Stores SES's objects in S3 as files, each only once, since SES never overwrites a key."""

import os
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, unquote

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import FakeBucket, FakeKey, s3_backends

from sandbox.seed import BUCKET


class StoredMail:
    """The bucket for received mail, as a folder. Nothing else of S3 is stored."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self) -> None:
        """Save under the world's lock. Files of deleted objects are deleted."""
        bucket = _bucket()
        if bucket is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        files = {file.name for file in self._folder.iterdir()}
        keys = {quote(key, safe=""): key for key in bucket.keys}
        for name in keys.keys() - files:
            _write(self._folder, name, bucket.keys[keys[name]])
        for name in files - keys.keys():
            (self._folder / name).unlink()

    def load(self) -> None:
        """Restore the objects with their original times."""
        if not self._folder.is_dir():
            return
        backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        if BUCKET not in backend.buckets:
            backend.create_bucket(BUCKET, "us-east-1")
        for file in sorted(self._folder.iterdir()):
            if not file.name.endswith(".new"):
                made = backend.put_object(BUCKET, unquote(file.name), file.read_bytes())
                made.last_modified = datetime.fromtimestamp(file.stat().st_mtime, tz=UTC).replace(tzinfo=None)


def _write(folder: Path, name: str, stored: FakeKey) -> None:
    """Write the file with the object's time."""
    fresh = folder / f"{name}.new"
    fresh.write_bytes(stored.value)
    at = stored.last_modified.replace(tzinfo=UTC).timestamp()
    os.utime(fresh, (at, at))
    fresh.replace(folder / name)


def _bucket() -> FakeBucket | None:
    return s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets.get(BUCKET)
