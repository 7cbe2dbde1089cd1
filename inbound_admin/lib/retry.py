"""Retry strategies of the worker's jobs."""

from django.db import InterfaceError, OperationalError
from procrastinate import BaseRetryStrategy, RetryDecision
from procrastinate.jobs import Job

from inbound_admin.lib.errors import AwsProblem

LONGEST_WAIT_SECONDS = 600


class RetryOn(BaseRetryStrategy):
    """Retry after the given errors without a limit. An outage may take hours, and giving up would only hide it."""

    def __init__(self, *errors: type[BaseException], longest_wait_seconds: int = LONGEST_WAIT_SECONDS) -> None:
        self._errors, self._longest = errors, longest_wait_seconds

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if not isinstance(exception, self._errors):
            return None
        return RetryDecision(retry_in={"seconds": min(2 ** min(job.attempts + 1, 10), self._longest)})


class OrDatabaseDown(BaseRetryStrategy):
    """Apply the task's own strategy, and also retry if the database was down, since an interrupted job isn't done."""

    def __init__(self, own: BaseRetryStrategy | None) -> None:
        self._rules = (*([own] if own else []), RetryOn(OperationalError, InterfaceError))

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        found = (rule.get_retry_decision(exception=exception, job=job) for rule in self._rules)
        return next((each for each in found if each), None)


class RetryUntilAwsAnswers(RetryOn):
    """Retry until SES answers. Meanwhile, the page shows why it waits."""

    def __init__(self, longest_wait_seconds: int = LONGEST_WAIT_SECONDS) -> None:
        super().__init__(AwsProblem, longest_wait_seconds=longest_wait_seconds)
