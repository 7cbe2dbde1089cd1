"""Sign-ins: when a session began, whether its person proved themselves lately, and how sessions end."""

import time
from typing import Any

from django.conf import settings
from django.contrib.auth import update_session_auth_hash
from django.db.models import F
from django.http import HttpRequest

from tenants.models import User
from tenants.selectors import is_staff_member

SIGNED_IN_AT = "signed_in_at"


def note_sign_in(request: HttpRequest, **_: Any) -> None:
    """For Django's signal: each way in passes here, also that of an invitation's new password."""
    request.session[SIGNED_IN_AT] = time.time()


def has_just_signed_in(request: HttpRequest) -> bool:
    """Whoever typed the password a moment ago is not asked for it again."""
    return _age(request) < float(settings.ACCOUNT_REAUTHENTICATION_TIMEOUT)


def is_session_over(request: HttpRequest) -> bool:
    """Staff sign in anew after their hours, whether they were busy or not. A session of unknown age is over."""
    if not isinstance(request.user, User):
        return False
    return _age(request) >= settings.STAFF_SESSION_HOURS * 3600 and is_staff_member(request.user)


def end_sessions(person: User) -> None:
    """Signs them out everywhere with their next request."""
    User.objects.filter(pk=person.pk).update(session_generation=F("session_generation") + 1)
    person.refresh_from_db(fields=("session_generation",))


def end_other_sessions(request: HttpRequest, user: User, **_: Any) -> None:
    """For allauth's signals of a new or removed factor: sessions from before did not pass by it."""
    end_sessions(user)
    update_session_auth_hash(request, user)


def _age(request: HttpRequest) -> float:
    return time.time() - float(request.session.get(SIGNED_IN_AT, 0))
