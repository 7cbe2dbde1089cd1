"""What a page says once, after an act."""

from typing import Any

from django.contrib.messages import get_messages


def said(answer: Any) -> str:
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))
