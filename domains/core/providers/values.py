"""What has to be known of a DNS host to tell somebody what to type there."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Provider:
    """`apex` is what stands for the zone itself in the name box ("" is an empty box); it and `page` may name {zone}.

    `dot`: a host name in the value ends in a dot, or the zone is added to it. `quotes`: text is typed in quotation
    marks, in strings of at most 255 bytes. `priority_label` "" says that priority stands in the value, before the
    host. `values` are the labels of the value box by type, `proxy` what to do with a switch that hides records.
    """

    key: str
    name: str
    page: str
    nameservers: tuple[str, ...] = ()
    way: str = ""
    name_label: str = "Name"
    values: Mapping[str, str] = field(default_factory=dict)
    priority_label: str = "Priority"
    ttl_label: str = "TTL"
    ttl: str = "the default"
    apex: str = "@"
    absolute: bool = False
    dot: bool = False
    quotes: bool = False
    proxy: str = ""
    traps: tuple[str, ...] = ()
    mx_traps: tuple[str, ...] = ()

    def value_label(self, kind: str) -> str:
        return self.values.get(kind, "Value")

    def apex_of(self, zone: str) -> str:
        return self.apex.replace("{zone}", zone)

    def page_for(self, zone: str) -> str:
        """Where the records of this zone are edited, or the way to it; "" where every customer's is another."""
        return self.page.replace("{zone}", zone)
