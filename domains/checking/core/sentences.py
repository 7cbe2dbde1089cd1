"""The sentence for each code: the purpose of the record before its acronym, then what to do at the DNS host."""

from domains.checking.core.amazon_hosts import amazon_host
from domains.dmarc import core as dmarc_core
from domains.records.core import SPF_KEYS, Record, is_inbound
from domains.spf.core import grammar
from domains.spf.core.evaluation import NO_NAMES, SpfNames, broken_includes
from domains.spf.core.grammar import RecordProblem

_LONGEST_QUOTE = 120

_SUBJECTS = {
    "identity": "The proof that you own the domain",
    "challenge": "The proof that it is you who asks",
    "inbound-mx": "The way in for your mail",
    "mail-from-mx": "The return address for bounces",
    "mail-from-spf": "The permission for Amazon to send",
    "apex-spf": "The permission to send at the domain itself",
    "dmarc": "The rule against forged mail",
    "mta-sts": "The TLS policy record (MTA-STS)",
    "tls-rpt": "The TLS report record (TLS-RPT)",
}

_SENTENCES = {
    "": "{subject} is in place.",
    "dns.absent": "{subject} is not there yet. Add this {record.type} record at your DNS host.",
    "dns.spreading": "{subject} is published, but not everywhere to be seen yet. There is nothing to do but wait.",
    "dns.lookup_failed": (
        "We could not look just now, which says nothing about your record. We try again by ourselves."
    ),
    "dns.not_checked": "We have not looked yet.",
    "dns.name.doubled_zone": (
        "{subject} is one step too far: your DNS host added the domain a second time by itself. Edit the record "
        "and leave the domain out of the Name box."
    ),
    "dns.value.quoted": "{subject} has quotation marks in its value. Remove them.",
    "dns.value.case": (
        "{subject} is there in other capitals, and here they count. Paste the value again; if it changes once "
        "more, ask your DNS host's support."
    ),
    "dns.value.spaces": "{subject} has a space or an unseen character in its value. Paste it again in one piece.",
    "dns.value.zone_appended": (
        "{subject} has your own domain added at the end of its value. Put a dot at the very end of the value, so "
        "that your DNS host leaves it alone."
    ),
    "dns.value.prefixed": (
        "{subject} begins with “amazonses:”, which belongs there only at the domain itself. Remove it."
    ),
    "dns.value.priority_inside": (
        "{subject} has the priority inside of the value. Put {record.priority} into the Priority box and only the "
        "host name here."
    ),
    "dns.value.cut": "{subject} is cut short: only its first part arrived. Paste the value again in one piece.",
    "dns.value.typo": "{subject} differs by a letter or two: {found}. Paste the value again.",
    "dns.value.differs": "{subject} is something else today: {found}. Change it to the value shown here.",
    "dns.value.other_token": (
        "{subject} is not there yet. The one at this name is of another Amazon account or region: leave it, and "
        "add ours beside it."
    ),
    "dns.value.other_region": (
        "{subject} belongs to another Amazon region: {found}. Replace it with the value shown here."
    ),
    "dns.value.old_key": "{subject} belongs to an earlier set-up: {found}. Replace it with the value shown here.",
    "dns.value.wrong_type": (
        "{subject} has the right name and value but is of the wrong type. Delete the TXT record and add a "
        "{record.type} record."
    ),
    "dns.value.flattened": (
        "{subject} is answered by your DNS host with what lies behind it. Switch “flattening” or the proxy off "
        "for this record."
    ),
    "dns.value.ip": (
        "{subject} leads to an IP address, and only a host name works. Change it to the value shown here."
    ),
    "dns.value.spf_without_amazon": (
        "{subject} is missing in the line that is there. Replace that line with the value shown here."
    ),
    "dns.value.spf_order": "{subject} stands where it is never read: “include:amazonses.com” must come before “all”.",
    "dns.value.spf_equals": (
        "The SPF record at {record.name} has “{place}”, which receivers ignore, so Amazon may not send. {reason}"
    ),
    "dns.value.spf_part": (
        "The TXT record at {record.name} has only a part of an SPF record, so receivers see none: {found}. Change it "
        "to the value shown here."
    ),
    "dns.spf.ignored": "{subject} is in place, but receivers ignore “{place}” in the record. {reason}",
    "dns.value.name_inside": (
        "{subject} has its name and its value in one box: {found}. Put the name shown here into the Name box, and "
        "only the value into the Value box."
    ),
    "dns.value.spf_syntax": (
        "The SPF record at {record.name} is broken, so receivers reject all of it. Correct “{place}”: {reason}"
    ),
    "dns.value.spf_open": "{subject} lets the whole world send: the line ends in “+all”. Change that to “~all”.",
    "dns.value.spf_lookups": (
        "{subject} is in a line that asks for more than ten look-ups, so receivers ignore all of it. Remove an "
        "include that you do not need."
    ),
    "dns.value.dmarc_policy": "The DMARC record at {record.name} has no valid policy: {reason}",
    "dns.value.dmarc_syntax": "The DMARC record at {record.name} is broken at “{place}”: {reason}",
    "dns.value.dmarc_reports": (
        "{subject} is there, but its reports go elsewhere. Add the address shown here after “rua=”."
    ),
    "dns.value.spf_include": (
        "The SPF record at {record.name} includes what is not there, so receivers reject all of it. {reason}"
    ),
    "dns.value.spf_voids": (
        "The SPF record at {record.name} names hosts that do not exist. Receivers allow two and reject all of it. "
        "Remove those that are gone."
    ),
    "dns.dmarc.inherited": (
        "The DMARC record at _dmarc.{above} applies here too (p={policy}). You don't need a record of your own."
    ),
    "dns.dmarc.own_reports": (
        "The DMARC record at _dmarc.{above} applies here too (p={policy}), but its reports go elsewhere. To get "
        "reports for this domain, add this TXT record. It keeps the policy."
    ),
    "dns.alias.dangling": (
        "{record.name} is an alias (CNAME) that leads to {found}, which does not exist. Remove the alias, or have that "
        "name set up."
    ),
    "dns.alias.dname": (
        "A DNAME record at {found} redirects all names below it, {record.name} among them, so nothing can be added "
        "there. Add the record where the DNAME leads, or replace the DNAME."
    ),
    "dns.rival.mx_shared": (
        "Only a part of the mail for {record.name} arrives here: another MX record has the same priority: {found}. "
        "Give ours the lowest number, or remove the other once nobody reads mail there."
    ),
    "dns.rival.null_mx_beside": (
        "{record.name} also has an MX record “.”, which says that it takes no mail, so some senders reject all mail. "
        "Remove that one and keep ours."
    ),
    "dns.value.amazon_other_host": (
        "{subject} leads to {found}, Amazon's host for {use}. Change it to the value shown here."
    ),
    "dns.value.keys_swapped": (
        "{subject} has the value of another DKIM record of this domain: {found}. The value begins like the name: "
        "change it to the one shown here."
    ),
    "dns.value.impossible_host": (
        "{subject} leads to “{found}”, which no mail server can be called. Change it to the value shown here."
    ),
    "dns.rival.mx": (
        "Mail to {record.name} goes elsewhere now: {found}. Once you change this record, its mail arrives here. To "
        "keep that mail service, set the domain to send only, or receive at a sub-domain."
    ),
    "dns.rival.mx_behind": (
        "{subject} is in place. Another mail server stands behind it and gets mail only if Amazon does not answer."
    ),
    "dns.rival.null_mx": "{record.name} says that it takes no mail at all. Remove that MX record and add ours.",
    "dns.rival.mail_from_mx": (
        "{subject} must be the only MX record at {record.name}, and there is another: {found}. Remove the other, "
        "or choose another name for bounces."
    ),
    "dns.rival.spf": (
        "{subject} is one of two lines that begin with “v=spf1”. Only one is allowed; two make both invalid."
    ),
    "dns.rival.dmarc": "{subject} is one of two. Only one is allowed; two make both invalid.",
    "dns.rival.cname": (
        "{record.name} is an alias (CNAME) of {found}, and an alias may hold nothing else. Remove the alias. If "
        "it comes from a catch-all record (*), add our record and it wins."
    ),
}

_WITHOUT_POLICY = "{subject} is optional and not published. Add it only after you host the policy that it announces."
CODES = frozenset(_SENTENCES)


def subject(record: Record) -> str:
    """What the record is for, to begin a sentence with."""
    if record.key.startswith("dkim-"):
        return f"Signing key {record.key.removeprefix('dkim-')}"
    if is_inbound(record.key) and record.key not in _SUBJECTS:
        return f"The way in for mail to {record.name}"
    return _SUBJECTS.get(record.key, "This record")


def describe(code: str, record: Record, found: tuple[str, ...], names: SpfNames = NO_NAMES) -> str:
    """The sentence for a code. KeyError for a code that has none."""
    place, reason = _broken(record, found, names) if "{reason}" in _SENTENCES[code] else ("", "")
    above = record.inherited
    fields = {"subject": subject(record), "found": _quote(record, found), "place": place, "reason": reason}
    fields["use"] = use_of(found)
    fields |= {"above": above.name, "policy": above.policy} if above else {"above": "", "policy": ""}
    is_announced_later = code == "dns.absent" and record.key == "mta-sts"
    return (_WITHOUT_POLICY if is_announced_later else _SENTENCES[code]).format(record=record, **fields)


def _broken(record: Record, found: tuple[str, ...], names: SpfNames) -> tuple[str, str]:
    """The first broken place of a policy record and why it is; the place is "" where it lies behind an include."""
    problems = problems_in(record, found)
    if not problems and record.key in SPF_KEYS and (inside := broken_includes(found[0], names)):
        return "", inside[0].reason
    if not problems and record.key in SPF_KEYS and (place := ignored_in(found)):
        return place
    text, problem = problems[0] if problems else ("", RecordProblem(0, 0, "It does not follow the grammar."))
    return text[problem.start : problem.end].strip()[:_LONGEST_QUOTE] or "a space", problem.reason


def ignored_in(found: tuple[str, ...]) -> tuple[str, str] | None:
    """The first term of an SPF record with "=" in place of ":", and how to write it."""
    terms = [term for line in grammar.spf_among(found) for term in grammar.read(line).ignored]
    return (terms[0].text, f"Write “{terms[0].name}:{terms[0].argument}”.") if terms else None


def use_of(found: tuple[str, ...]) -> str:
    """What the first of SES's hosts among the values is for, "" where there is none."""
    hosts = (amazon_host(value.rpartition(" ")[2].rstrip(".").lower()) for value in found)
    return next((host.use.value for host in hosts if host), "")


def problems_in(record: Record, found: tuple[str, ...]) -> tuple[tuple[str, RecordProblem], ...]:
    """What is written wrongly in the policy records among the values, each with its record."""
    if record.key == "dmarc":
        return tuple((text, problem) for text in found for problem in dmarc_core.read(text).problems)
    if record.key in SPF_KEYS:
        return tuple((text, problem) for text in found for problem in grammar.problems_of(text))
    return ()


def _quote(record: Record, found: tuple[str, ...]) -> str:
    """What is there, without what is right, and not endlessly."""
    others = [value for value in found if value.lower().rpartition(" ")[2] != record.value.lower()] or list(found)
    text = ", ".join(others)
    return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…"
