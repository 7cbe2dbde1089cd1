"""Markers of completed deliveries, as objects in the bucket that every copy of the function sees.

A marker is written after an endpoint has accepted a message for a recipient. Whatever fails in between, mail is rather
sent twice than lost. A note says that a recipient's mail waits for a confirmation. A claim says which of two events
delivers a message to a recipient. The bucket's lifecycle deletes them with their message.
"""

import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from botocore.exceptions import ClientError

from receiving.events import Arrival

FOLDER = ".inbound-admin/"
_MISSING = ("404", "NoSuchKey", "NotFound")
_TAKEN = ("412", "PreconditionFailed")
log = logging.getLogger(__name__)


class Markers:
    """The markers of one bucket. Needs s3:ListBucket: without it S3 answers "denied" for a missing object."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3, self._bucket = s3, bucket

    def is_delivered(self, message_id: str, recipient: str, endpoint_id: str) -> bool:
        """Return whether the marker exists.

        Raises S3's error for anything but "not found": unknown isn't "not delivered".
        """
        try:
            self._s3.head_object(Bucket=self._bucket, Key=_mark(message_id, recipient, endpoint_id))
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in _MISSING:
                raise
            return False
        return True

    def mark_delivered(self, message_id: str, recipient: str, endpoint_id: str) -> None:
        self._s3.put_object(Bucket=self._bucket, Key=_mark(message_id, recipient, endpoint_id), Body=b"")

    def claim(self, arrival: Arrival, recipient: str) -> bool:
        """Return whether this event delivers the message to the recipient: the first that claims it, and its retries.

        Raises S3's error if that is unknown.
        """
        key, own = _claim(arrival.message_id, recipient), arrival.event.encode()
        if self._put_first(key, own):
            return True
        claimed_by: bytes = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        return claimed_by == own

    def note_waiting(self, arrival: Arrival, recipient: str) -> None:
        """Store a note with everything that a later delivery needs. It is written once, so it ends with its message."""
        content = {**asdict(arrival), "recipients": [recipient]}
        self._put_first(_note(arrival.message_id, recipient), json.dumps(content).encode())

    def _put_first(self, key: str, content: bytes) -> bool:
        """Store the object unless it exists. Return whether it was stored."""
        try:
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=content, IfNoneMatch="*")
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in _TAKEN:
                raise
            return False
        return True

    def forget_waiting(self, arrival: Arrival, recipient: str) -> None:
        """Delete the note. Safe to repeat."""
        self._s3.delete_object(Bucket=self._bucket, Key=_note(arrival.message_id, recipient))

    def waiting(self) -> Iterator[Arrival]:
        """Yield the arrival of each note. One that can't be read is logged and delays no other."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=f"{FOLDER}waiting/")
        for page in pages:
            for found in page.get("Contents", ()):
                try:
                    arrival = self._noted(found["Key"])
                except (ClientError, LookupError, TypeError, ValueError) as error:
                    log.error("The note %s can't be read: %r", found["Key"], error)
                else:
                    yield arrival

    def _noted(self, key: str) -> Arrival:
        content = json.loads(self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read())
        stored = tuple(content["stored"] or ())
        content |= {"recipients": tuple(content["recipients"]), "stored": (stored[0], stored[1]) if stored else None}
        return Arrival(**content)


def _mark(message_id: str, recipient: str, endpoint_id: str) -> str:
    name = hashlib.sha256(json.dumps([message_id, recipient, endpoint_id]).encode()).hexdigest()
    return f"{FOLDER}delivered/{name[:2]}/{name}"


def _claim(message_id: str, recipient: str) -> str:
    name = hashlib.sha256(json.dumps([message_id, recipient]).encode()).hexdigest()
    return f"{FOLDER}claimed/{name[:2]}/{name}"


def _note(message_id: str, recipient: str) -> str:
    return f"{FOLDER}waiting/{hashlib.sha256(json.dumps([message_id, recipient]).encode()).hexdigest()}"
