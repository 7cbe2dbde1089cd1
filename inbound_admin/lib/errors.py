"""The exceptions of the product. `str(problem)` is what the person reads: what failed, why, and what to do."""


class Problem(Exception):
    """Anything that we can explain. `str(problem)` is shown to the person as it is."""

    code = "PROBLEM"
    status = 500

    def __init__(self, sentence: str, *, code: str = "") -> None:
        super().__init__(sentence)
        self.code = code or self.code


class Refused(Problem):
    """A rule of ours forbids it; nothing was changed."""

    code = "REFUSED"
    status = 422


class RateLimited(Refused):
    """Too soon; `retry_after` says in seconds when it is allowed again."""

    code = "RATE_LIMITED"
    status = 429

    def __init__(self, sentence: str, *, retry_after: int, code: str = "") -> None:
        super().__init__(sentence, code=code)
        self.retry_after = retry_after


class AwsProblem(Problem):
    """Amazon refused or did not answer; carries Amazon's own code, sentence and request id."""

    code = "AWS_ERROR"
    status = 502

    def __init__(self, sentence: str, *, aws_code: str = "", aws_message: str = "", request_id: str = "") -> None:
        super().__init__(sentence)
        self.aws_code = aws_code
        self.aws_message = aws_message
        self.request_id = request_id

    @property
    def in_full(self) -> str:
        """For operators: Amazon's own text names accounts, ARNs and buckets, which no customer is to read."""
        return f"{self} Amazon said: {self.aws_message}" if self.aws_message else str(self)


class AwsMissing(AwsProblem):
    """The thing does not exist at Amazon: said by Amazon, never guessed."""

    code = "AWS_MISSING"


class AwsConflict(AwsProblem):
    """The thing exists already, or is in a state that forbids the call."""

    code = "AWS_CONFLICT"


class AwsDenied(AwsProblem):
    """Our credentials are missing, wrong, or may not make this call."""

    code = "AWS_DENIED"


class AwsBusy(AwsProblem):
    """Amazon throttles, or our own pace has no free moment soon enough."""

    code = "AWS_BUSY"
    status = 503


class AwsUnreachable(AwsProblem):
    """No answer: whether the call was carried out is unknown."""

    code = "AWS_UNREACHABLE"
    status = 503


class NotAllowed(Refused):
    """The person may see the thing, but not do this to it."""

    code = "NOT_ALLOWED"
    status = 403
