"""Markers of completed deliveries, as objects in the bucket that every copy of the function sees.

A mark is left after an endpoint has taken a message for a recipient, so whatever breaks in between, the mail is sent
again and never lost. A note says that a recipient's mail waits for a confirmation. Both go when the bucket's lifecycle
deletes their message.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from botocore.exceptions import ClientError

from receiving.events import Arrival

FOLDER = ".inbound-admin/"
_MISSING = ("404", "NoSuchKey", "NotFound")


class Markers:
    """Of one bucket. Needs s3:ListBucket: without it S3 says "denied" of an object that is not there."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3, self._bucket = s3, bucket

    def is_delivered(self, message_id: str, recipient: str, endpoint_id: str) -> bool:
        """Raises whatever S3 says but "not there": not knowing is never taken for not delivered."""
        try:
            self._s3.head_object(Bucket=self._bucket, Key=_mark(message_id, recipient, endpoint_id))
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in _MISSING:
                raise
            return False
        return True

    def mark_delivered(self, message_id: str, recipient: str, endpoint_id: str) -> None:
        self._s3.put_object(Bucket=self._bucket, Key=_mark(message_id, recipient, endpoint_id), Body=b"")

    def note_waiting(self, arrival: Arrival, recipient: str) -> None:
        """With what is needed to deliver it later."""
        content = {**asdict(arrival), "recipients": [recipient]}
        key = _note(arrival.message_id, recipient)
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=json.dumps(content).encode())

    def forget_waiting(self, arrival: Arrival, recipient: str) -> None:
        """Safe to repeat."""
        self._s3.delete_object(Bucket=self._bucket, Key=_note(arrival.message_id, recipient))

    def waiting(self) -> Iterator[Arrival]:
        """One for each note."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=f"{FOLDER}waiting/")
        for page in pages:
            for found in page.get("Contents", ()):
                content = json.loads(self._s3.get_object(Bucket=self._bucket, Key=found["Key"])["Body"].read())
                stored = tuple(content.pop("stored") or ())
                yield Arrival(
                    **{
                        **content,
                        "recipients": tuple(content["recipients"]),
                        "stored": (stored[0], stored[1]) if stored else None,
                    }
                )


def _mark(message_id: str, recipient: str, endpoint_id: str) -> str:
    name = hashlib.sha256(json.dumps([message_id, recipient, endpoint_id]).encode()).hexdigest()
    return f"{FOLDER}delivered/{name[:2]}/{name}"


def _note(message_id: str, recipient: str) -> str:
    return f"{FOLDER}waiting/{hashlib.sha256(json.dumps([message_id, recipient]).encode()).hexdigest()}"
