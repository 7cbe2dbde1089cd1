"""What the function that delivers mail is set to: one function, one call. No such function raises AwsMissing."""

from collections.abc import Mapping

from inbound_admin.lib import aws


def get_function_variables(arn: str) -> Mapping[str, str]:
    """Its environment variables. Lambda answers none of them where they cannot be decrypted."""
    with aws.calling("lambda", f"read the settings of the function {arn}") as functions:
        configuration = functions.get_function(FunctionName=arn)["Configuration"]
    return dict(configuration.get("Environment", {}).get("Variables", {}))
