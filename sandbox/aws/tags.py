"""Tags of identities, configuration sets, tenants and templates, kept by ARN in moto's tagger."""

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.aws.errors import bad_request, not_found
from sandbox.aws.extension import Answer, Request, v2
from sandbox.aws.state import WORLD

Tags = Sequence[Mapping[str, str]]


def tags_of(ask: Request, arn: str) -> list[dict[str, str]]:
    return list(ask.backend.tagger.list_tags_for_resource(arn)["Tags"])


def put_tags(ask: Request, arn: str, tags: Tags) -> None:
    """Add to existing tags. Raises BadRequestException above 50."""
    merged = {tag["Key"]: tag.get("Value", "") for tag in [*tags_of(ask, arn), *tags]}
    if len(merged) > WORLD.limits.tags:
        raise bad_request(f"A resource can have at most {WORLD.limits.tags} tags.")
    if any(not 1 <= len(key) <= 128 or len(value) > 256 for key, value in merged.items()):
        raise bad_request("A tag's key has 1 to 128 characters and its value at most 256.")
    ask.backend.tagger.tag_resource(arn, [{"Key": key, "Value": value} for key, value in merged.items()])


def forget_tags(ask: Request, arn: str) -> None:
    ask.backend.tagger.delete_all_tags_for_resource(arn)


def resource_exists(ask: Request, arn: str) -> bool:
    """Raises BadRequestException for an ARN of another region or account, or of an unknown kind."""
    prefix = ask.state.arn("", "").removesuffix("/")
    kind, _, name = arn.removeprefix(prefix).partition("/")
    stores: dict[str, Any] = {
        "identity": ask.state.identities,
        "configuration-set": ask.backend.config_sets,
        "template": ask.backend.templates,
        "tenant": {tenant.arn.partition(":tenant/")[2] for tenant in ask.state.tenants.values()},
    }
    if not arn.startswith(prefix) or kind not in stores:
        raise bad_request(f"Invalid resource ARN: {arn}")
    return name in stores[kind]


def _arn(ask: Request) -> str:
    arn = ask.text("ResourceArn")
    if not resource_exists(ask, arn):
        raise not_found(f"Resource {arn} does not exist.")
    return arn


@v2("TagResource")
def tag_resource(ask: Request) -> Answer:
    put_tags(ask, _arn(ask), ask.params.get("Tags") or [])
    return None


@v2("UntagResource")
def untag_resource(ask: Request) -> Answer:
    ask.backend.tagger.untag_resource_using_names(_arn(ask), ask.texts("TagKeys"))
    return None


@v2("ListTagsForResource")
def list_tags_for_resource(ask: Request) -> Answer:
    return {"Tags": tags_of(ask, _arn(ask))}
