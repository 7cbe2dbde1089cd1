"""When the worker tries a job again."""

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


class UntilAmazonAnswers(UntilItWorks):
    """The page says meanwhile why it waits."""

    def __init__(self, longest_wait_seconds: int = LONGEST_WAIT_SECONDS) -> None:
        super().__init__(AwsProblem, longest_wait_seconds=longest_wait_seconds)
