"""The message that a page shows once after an action."""

from typing import Any

from django.contrib.messages import get_messages


def message_text(answer: Any) -> str:
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))
