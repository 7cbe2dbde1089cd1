"""A zone for each mistake, and the code that the diagnosis must find."""

from collections.abc import Callable
from dataclasses import dataclass

from domains.checking.core.judgement import SesStatus
from domains.diagnosis.core.findings import Diagnosis
from domains.diagnosis.core.observations import Observations
from sandbox.dns.zones import ZoneStore
from tests.domains import mistake_makers as made
from tests.domains.dns_host import DKIM, NAMESERVERS, TOKEN, Host, facts_of, serving


@dataclass(frozen=True)
class Scene:
    """A mistake in an otherwise correct zone; `code` is what must be found."""

    mistake: str
    code: str
    make: Callable[[Host], None]
    name: str = "example.com"
    about: str = ""

    @property
    def id(self) -> str:
        return " ".join(filter(None, (self.mistake, self.code, self.about)))


def _menu(mistake: str, code: str, key: str, made_by: str, name: str = "example.com") -> Scene:
    return Scene(mistake, code, lambda host: host.mistake(key, made_by), name, f"{key} {made_by}")


SUB = "shop.example.co.uk"
FROM_MENU = (
    _menu("M01", "dns.name.doubled_zone", "identity", "name.doubled_zone"),
    _menu("M01", "dns.name.doubled_zone", "dkim-2", "name.doubled_zone", SUB),
    _menu("M01", "dns.name.doubled_zone", "inbound-mx", "name.doubled_zone", SUB),
    _menu("M01", "dns.name.doubled_zone", "mail-from-spf", "name.doubled_zone"),
    _menu("M02", "dns.value.zone_appended", "dkim-1", "value.appended_zone"),
    _menu("M02", "dns.value.zone_appended", "inbound-mx", "value.appended_zone"),
    _menu("M02", "dns.value.zone_appended", "mail-from-mx", "value.appended_zone"),
    _menu("M04", "dns.name.apex", "identity", "name.apex"),
    _menu("M04", "dns.name.apex_mx", "mail-from-mx", "name.apex", SUB),
    _menu("M05", "dns.name.wrong_parent", "dkim-1", "name.wrong_parent", SUB),
    _menu("M05", "dns.name.wrong_parent", "identity", "name.wrong_parent", SUB),
    _menu("M09", "dns.value.quoted", "identity", "value.quoted"),
    _menu("M09", "dns.value.quoted", "identity", "value.curly_quotes"),
    _menu("M10", "dns.value.cut", "identity", "value.cut"),
    _menu("M11", "dns.value.typo", "dkim-3", "value.mistyped"),
    _menu("M11", "dns.value.typo", "identity", "value.mistyped"),
    _menu("M11", "dns.value.typo", "mail-from-mx", "value.mistyped"),
    _menu("M12", "dns.name.swapped", "dkim-1", "name.swapped"),
    _menu("M12", "dns.name.swapped", "inbound-mx", "name.swapped", SUB),
    _menu("M13", "dns.value.wrong_type", "dkim-1", "type.cname_as_txt"),
    _menu("M13", "dns.value.wrong_type", "inbound-mx", "type.mx_as_cname", SUB),
    _menu("M13", "dns.value.wrong_type", "mail-from-mx", "type.mx_as_cname"),
    _menu("M14", "dns.value.case", "identity", "value.lower_cased"),
    _menu("M16", "dns.value.priority_inside", "inbound-mx", "value.priority_inside"),
    _menu("M17", "dns.value.spaces", "identity", "value.invisible"),
    _menu("M18", "dns.rival.spf", "mail-from-spf", "rival.second_spf"),
    _menu("M19", "dns.name.spf_at_apex", "mail-from-spf", "name.apex"),
    _menu("M21", "dns.rival.mx", "inbound-mx", "rival.better_mx"),
    _menu("M22", "dns.rival.mail_from_mx", "mail-from-mx", "rival.two_mx"),
    _menu("M24", "dns.rival.cname", "dkim-1", "rival.cname_beside"),
    _menu("M24", "dns.rival.cname", "identity", "rival.cname_beside"),
    _menu("M25", "dns.rival.proxied", "dkim-2", "rival.proxied"),
    _menu("M27", "dns.rival.wildcard", "identity", "rival.wildcard"),
    _menu("M27", "dns.rival.wildcard", "dkim-1", "rival.wildcard"),
    _menu("M28", "dns.value.other_region", "inbound-mx", "value.other_region"),
    _menu("M28", "dns.value.other_region", "mail-from-mx", "value.other_region"),
    _menu("M30", "dns.rival.null_mx", "inbound-mx", "value.null_mx"),
    _menu("M30", "dns.value.ip", "inbound-mx", "value.mx_to_ip"),
    _menu("M32", "dns.server.disagree", "inbound-mx", "zone.disagree"),
    _menu("M32", "dns.server.disagree", "dkim-3", "zone.disagree"),
    _menu("M33", "dns.dnssec.broken", "identity", "zone.bogus"),
    _menu("M35", "dns.server.failing", "identity", "zone.servfail"),
    _menu("M35", "dns.server.silent", "identity", "zone.silent"),
    _menu("M35", "dns.server.lame", "identity", "zone.lame"),
)


OURS = "v=spf1 include:amazonses.com"
BY_HAND = (
    Scene("M13", "dns.value.wrong_type", made.alias_alone, about="alias alone"),
    Scene("M01", "dns.name.doubled_zone", made.doubled_in_its_own_zone, "mail.example.com", "in a zone of its own"),
    Scene("M03", "dns.value.dot", made.dot),
    Scene("M06", "dns.host.elsewhere", made.records_at_registrar),
    Scene("M07", "dns.time.unpublished", made.draft),
    Scene("M08", "dns.domain.no_such", made.no_such_domain),
    Scene("M15", "dns.name.underscore", made.underscores, about="all refused"),
    Scene("M50", "dns.name.underscore_forgotten", made.underscore_dropped),
    Scene("M20", "dns.value.spf_lookups", made.many_lookups),
    Scene("M20", "dns.value.spf_lookups", made.nested_lookups, about="inside of an include"),
    *(
        Scene(
            "M39",
            "dns.value.spf_syntax",
            made.text("mail-from-spf", f"{OURS} {term} ~all"),
            about=term,
        )
        for term in ("ip4:2001:db8::1", "ip4:192.0.2.0/99", "a:", "include:x;", "exists:%{q}.example.com", "sender")
    ),
    Scene(
        "M39",
        "dns.value.spf_syntax",
        made.text("mail-from-spf", "v=spf1; mx a -all"),
        about="version",
    ),
    Scene("M52", "dns.value.spf_equals", made.text("mail-from-spf", "v=spf1 mx include=amazonses.com -all")),
    Scene(
        "M52", "dns.spf.ignored", made.text("mail-from-spf", f"{OURS} include=vendor.example -all"), about="another's"
    ),
    *(
        Scene("M53", "dns.value.name_inside", made.text("identity", text), about=text)
        for text in (f"_amazonses={TOKEN}", f"_amazonses: {TOKEN}", f"_amazonses.example.com TXT {TOKEN}")
    ),
    Scene("M53", "dns.value.name_inside", made.both_at_apex, about="at the domain"),
    Scene("M53", "dns.value.name_inside", made.both_as_name, "mail.example.com", "as the name"),
    *(
        Scene("M54", "dns.value.spf_part", made.text("mail-from-spf", text), about=text)
        for text in ("amazonses.com", "include:amazonses.com ~all")
    ),
    Scene("M40", "dns.value.spf_include", made.included(), about="none"),
    Scene("M40", "dns.value.spf_include", made.included("v=spf1 -all", "v=spf1 mx -all"), about="two"),
    Scene("M40", "dns.value.spf_include", made.included("v=spf1 ip4:300.1.1.1 -all"), about="broken"),
    Scene("M41", "dns.value.spf_voids", made.void_lookups),
    *(
        Scene("M42", "dns.value.dmarc_syntax", made.text("dmarc", text), about=text)
        for text in (
            *("v=dmarc1; p=reject", "v=DMARC1\\; p=reject", "p=reject; v=DMARC1", "v=DMARC1 p=reject"),
            *("v=DMARC1; p=none; rua=reports@example.com", "v=DMARC1; pct=50; p=reject", "v=DMARC1; p=none; sp=all"),
        )
    ),
    Scene("M43", "dns.value.dmarc_consent", made.no_consent),
    Scene("M23", "dns.rival.mail_from_in_use", made.in_use),
    Scene("M25", "dns.value.flattened", made.flattened),
    Scene("M55", "dns.value.pasted_key", made.pasted_key),
    Scene(
        "M52",
        "dns.spf.ignored",
        made.text("mail-from-spf", f"{OURS} redirect=spf.vendor.example -all"),
        about="redirect",
    ),
    Scene("M39", "dns.value.spf_syntax", made.text("mail-from-spf", f"TXT {OURS} ~all"), about="a word before it"),
    Scene("M42", "dns.value.dmarc_syntax", made.text("dmarc", "p=reject"), about="no version"),
    Scene("M24", "dns.rival.other_type", made.text_at_key(f"https://{DKIM[0]}.dkim.amazonses.com"), about="a URL"),
    Scene("M24", "dns.rival.other_type", made.text_at_key("some-verification=1"), about="another text"),
    Scene("M24", "dns.rival.other_type", made.text_at_key("198.51.100.7", "A"), about="an address"),
    Scene("M44", "dns.alias.dangling", made.dead_alias_at_apex, about="at the domain"),
    Scene("M26", "dns.rival.forwarding", made.forwarding),
    Scene("M28", "dns.value.old_key", made.old_key),
    Scene("M28", "dns.value.other_token", made.other_account),
    Scene("M29", "dns.rival.dmarc", made.two_dmarc),
    Scene("M29", "dns.name.dmarc", made.dmarc_at_apex),
    Scene("M29", "dns.value.dmarc_strict", made.dmarc_strict),
    Scene("M29", "dns.value.dmarc_strict", made.inherited_unsigned, SUB, "inherited"),
    *(
        Scene("M45", "dns.value.amazon_other_host", made.text(key, value), about=f"{key} {value}")
        for key, value in (
            ("inbound-mx", "10 email-smtp.us-east-1.amazonaws.com"),
            ("inbound-mx", "10 feedback-smtp.eu-west-1.amazonses.com"),
            ("mail-from-mx", "10 inbound-smtp.us-east-1.amazonaws.com"),
            ("mail-from-mx", "10 email-smtp.us-east-1.amazonaws.com"),
            ("dkim-1", "inbound-smtp.us-east-1.amazonaws.com"),
        )
    ),
    *(
        Scene("M11", "dns.value.typo", made.text(key, value), about=value)
        for key, value in (
            ("inbound-mx", "10 amazonses.com"),
            ("inbound-mx", "10 smtp.us-east-1.amazonaws.com"),
            ("inbound-mx", "10 inbound-smtp.us-east-1.amazonaws.com.cn"),
            ("mail-from-mx", "10 amazonses.com"),
            ("dkim-1", "abcd1efgh2ijkl3mnop4qrst5uvwx6yz.domainkey.amazonses.com"),
            ("mail-from-mx", "10 feedback.us-east-1.amazonses.com"),
            ("mail-from-mx", "10 feedback-smtp.amazonses.com"),
            ("mail-from-mx", "10 fedback-smtp.us-east-1.amazonaws.com"),
            ("inbound-mx", "10 inbound.us-east-1.amazonaws.com"),
            ("inbound-mx", "10 inbound-smtp.amazonaws.com"),
        )
    ),
    Scene("M46", "dns.value.keys_swapped", made.keys_swapped),
    Scene("M17", "dns.value.spaces", made.text("identity", f'" {TOKEN}"'), about="space before"),
    Scene("M17", "dns.value.spaces", made.text("identity", f'"{TOKEN} "'), about="space behind"),
    Scene("M47", "dns.rival.null_mx_beside", made.extra_value("inbound-mx", "0 ."), about="inbound"),
    Scene("M47", "dns.rival.null_mx_beside", made.extra_value("mail-from-mx", "0 ."), about="mail from"),
    *(
        Scene("M28", "dns.value.other_region", made.extra_value("inbound-mx", value), about=f"beside ours {value}")
        for value in ("10 inbound-smtp.eu-west-1.amazonaws.com", "5 inbound-smtp.eu-west-1.amazonaws.com")
    ),
    Scene("M48", "dns.rival.mx_shared", made.extra_value("inbound-mx", "10 mx.mailer.example")),
    *(
        Scene("M49", "dns.value.impossible_host", made.text(key, value), about=f"{key} {value}")
        for key, value in (
            ("inbound-mx", "10 localhost"),
            ("inbound-mx", "10 mail"),
            ("inbound-mx", "10 https://www.example.net"),
            ("mail-from-mx", "10 bounce.example.com"),
            ("mail-from-mx", "10 localhost"),
        )
    ),
    Scene("M44", "dns.alias.dangling", made.dangling("dmarc"), about="dmarc"),
    Scene("M44", "dns.alias.dangling", made.dangling("identity"), about="identity"),
    Scene("M44", "dns.alias.dangling", made.dangling("mail-from-spf"), about="mail from"),
    Scene("M51", "dns.alias.dname", made.dname, "mail.example.com"),
    Scene("M30", "dns.value.mx_alias", made.mx_alias),
    Scene("M34", "dns.delegation.sub_zone", made.sub_zone),
    Scene("M34", "dns.delegation.silent", made.dead_vendor, about="no such servers"),
    *(
        Scene("M34", "dns.delegation.silent", made.failing_vendor(fault), about=fault)
        for fault in ("servfail", "refused", "lame", "silent")
    ),
    Scene("M13", "dns.delegation.ns_record", made.entered_as_ns("dkim-1"), about="dkim"),
    Scene("M13", "dns.delegation.ns_record", made.entered_as_ns("dkim-2", ".example.com"), about="appended"),
    Scene("M44", "dns.alias.silent", made.failing_alias("identity"), about="identity"),
    Scene("M44", "dns.alias.silent", made.failing_alias("dmarc"), about="dmarc"),
    Scene("M35", "dns.domain.lapsed", made.lapsed),
    Scene("M36", "dns.change.gone", made.gone),
    Scene("M36", "dns.change.nameservers", made.moved_host),
    Scene("M37", "amazon.behind", made.ses_status(SesStatus.PENDING)),
    Scene("M37", "amazon.gave_up", made.ses_status(SesStatus.FAILED)),
    Scene("M37", "amazon.lost", made.ses_status(SesStatus.TEMPORARY_FAILURE)),
    Scene("M38", "amazon.held_elsewhere", made.held_elsewhere),
)
SPREADING = Scene("M31", "dns.spreading", lambda host: None)  # a second resolver has the old content
SCENES = (*FROM_MENU, *BY_HAND, SPREADING)


def observe_scene(scene: Scene) -> tuple[Host, Observations]:
    """Return the host with the mistake in its zone, and the observations of it."""
    with serving() as (store, server, address):
        servers = ("ns.registrar.example", NAMESERVERS[0]) if scene.code == "dns.host.elsewhere" else NAMESERVERS
        host = Host(store, facts_of(scene.name), servers)
        host.open()
        host.publish()
        scene.make(host)
        return host, host.observe(server, address, timeout=0.1 if "zone." in scene.about else 1.5)


def build_host(scene: Scene) -> Host:
    """Return the host with the mistake in its zone, without serving it."""
    servers = ("ns.registrar.example", *NAMESERVERS) if scene.code == "dns.host.elsewhere" else NAMESERVERS
    host = Host(ZoneStore(), facts_of(scene.name), servers)
    host.open()
    host.publish()
    scene.make(host)
    return host


def diagnose_scene(scene: Scene) -> Diagnosis:
    """Return the diagnosis of a zone with the mistake."""
    with serving() as (store, server, address):
        servers = ("ns.registrar.example", *NAMESERVERS) if scene.code == "dns.host.elsewhere" else NAMESERVERS
        host = Host(store, facts_of(scene.name), servers)
        host.open()
        host.publish()
        scene.make(host)
        timeout = 0.1 if scene.about.endswith(("silent", "servfail", "lame")) else 1.5
        if scene is not SPREADING:
            return host.diagnose(server, address, timeout=timeout)
        with serving() as (older, _, other):
            older.add_zone(host.zone)
            host.resolvers = (f"{address[0]}:{address[1]}", f"{other[0]}:{other[1]}")
            return host.diagnose(server, address)
