"""When the worker tries a job again."""

from django.db import InterfaceError, OperationalError
from procrastinate import BaseRetryStrategy, RetryDecision
from procrastinate.jobs import Job

from inbound_admin.lib.errors import AwsProblem

LONGEST_WAIT_SECONDS = 600


class UntilItWorks(BaseRetryStrategy):
    """For the errors given. What we wait for may be away for hours; giving up would only hide it."""

    def __init__(self, *errors: type[BaseException], longest_wait_seconds: int = LONGEST_WAIT_SECONDS) -> None:
        self._errors, self._longest = errors, longest_wait_seconds

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if not isinstance(exception, self._errors):
            return None
        return RetryDecision(retry_in={"seconds": min(2 ** min(job.attempts + 1, 10), self._longest)})


class OrDatabaseIsBack(BaseRetryStrategy):
    """By the task's own rule, and also when the database was away, since a job that was cut off is not done."""

    def __init__(self, own: BaseRetryStrategy | None) -> None:
        self._rules = (*([own] if own else []), UntilItWorks(OperationalError, InterfaceError))

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        found = (rule.get_retry_decision(exception=exception, job=job) for rule in self._rules)
        return next((each for each in found if each), None)


class UntilAmazonAnswers(UntilItWorks):
    """The page says meanwhile why it waits."""

    def __init__(self, longest_wait_seconds: int = LONGEST_WAIT_SECONDS) -> None:
        super().__init__(AwsProblem, longest_wait_seconds=longest_wait_seconds)
