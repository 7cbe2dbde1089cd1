"""The sentence for each code: what is wrong with the record, then what to do at the DNS host."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from domains.checking.core.amazon_hosts import host_use
from domains.dmarc import core as dmarc_core
from domains.records.core import SPF_KEYS, Record, is_inbound
from domains.spf.core import grammar, merger
from domains.spf.core.evaluation import NO_NAMES, SpfNames, broken_includes
from domains.spf.core.grammar import RecordProblem

_LONGEST_QUOTE = 120

_SUBJECTS = {
    "identity": "The ownership record",
    "challenge": "The ownership challenge record",
    "inbound-mx": "The inbound MX record",
    "mail-from-mx": "The MAIL FROM MX record",
    "mail-from-spf": "The MAIL FROM SPF record",
    "apex-spf": "The SPF record",
    "dmarc": "The DMARC record",
    "mta-sts": "The MTA-STS record",
    "tls-rpt": "The TLS-RPT record",
}

_ARTICLES = ("The", "This")

_SENTENCES = {
    "": "{subject} is correct.",
    "dns.absent": "{subject} wasn't found at {record.name}. If you've already added it, diagnose the problem.",
    "dns.spreading": "{subject} is published and propagating. No action needed.",
    "dns.lookup_failed": "We couldn't check this record. It may be fine; we'll try again shortly.",
    "dns.not_checked": "Not checked yet.",
    "dns.name.doubled_zone": (
        "{subject} has the domain in its name twice, because your DNS host appends it. Edit the record and remove "
        "the domain from the Name field."
    ),
    "dns.value.quoted": "{subject} has quotation marks in its value. Remove them.",
    "dns.value.case": (
        "{subject} has the wrong capitalisation, and this value is case-sensitive. Paste the value again. If it "
        "changes again, ask your DNS host's support."
    ),
    "dns.value.spaces": "{subject} has a space or an invisible character in its value. Paste the value again.",
    "dns.value.zone_appended": (
        "{subject} has your domain at the end of its value, because your DNS host appends it. Add a dot at the end "
        "of the value."
    ),
    "dns.value.dot": "{subject} has an extra dot at the end of its value. Remove the dot.",
    "dns.value.prefixed": "{subject} starts with “amazonses:”, which is only valid at the domain itself. Remove it.",
    "dns.value.priority_inside": (
        "{subject} has the priority in its value. Enter {record.priority} in the Priority field and only the host "
        "name in the value."
    ),
    "dns.value.cut": "{subject} is truncated. Paste the full value again.",
    "dns.value.typo": "{subject} has a typo: {found}. Paste the value again.",
    "dns.value.differs": "{subject} has a different value: {found}. Replace it with the value shown.",
    "dns.value.other_token": (
        "{subject} wasn't found. The record at this name belongs to another AWS account or region. Keep it, and "
        "add ours as a second record."
    ),
    "dns.value.other_region": "{subject} belongs to another AWS region: {found}. Replace it with the value shown.",
    "dns.value.old_key": "{subject} is an old DKIM key: {found}. Replace it with the value shown.",
    "dns.value.wrong_type": (
        "{subject} has the correct name and value but the wrong type. Delete it and add a {record.type} record."
    ),
    "dns.value.flattened": (
        "{subject} is flattened or proxied by your DNS host. Turn off CNAME flattening or the proxy for it."
    ),
    "dns.value.pasted_key": (
        "{subject} is a TXT record with a key. SES needs a CNAME. Delete the TXT record and add the CNAME shown."
    ),
    "dns.value.ip": "{subject} points to an IP address. It must be a host name. Replace it with the value shown.",
    "dns.value.mx_alias": (
        "{subject} points to {host}, a CNAME. An MX record must name the host itself. Replace it with the value shown."
    ),
    "dns.value.spf_without_amazon": (
        "The SPF record at {record.name} doesn't include Amazon SES. Replace it with the value shown."
    ),
    "dns.value.spf_order": (
        "In the SPF record at {record.name}, “include:amazonses.com” comes after “all”, so it's ignored. Move it "
        "before “all”."
    ),
    "dns.value.spf_equals": (
        "The SPF record at {record.name} has “{place}”, which receivers ignore, so SES isn't authorised to "
        "send. {reason}"
    ),
    "dns.value.spf_part": (
        "The TXT record at {record.name} has only a part of an SPF record, so receivers see none: {found}. Replace it "
        "with the value shown."
    ),
    "dns.spf.ignored": "{subject} is correct, but receivers ignore “{place}” in the record. {reason}",
    "dns.value.name_inside": (
        "{subject} has its name and value in one field: {found}. Enter the name shown in the Name field, and only "
        "the value in the Value field."
    ),
    "dns.value.spf_syntax": (
        "The SPF record at {record.name} is invalid, so receivers reject the whole record. Correct “{place}”: {reason}"
    ),
    "dns.value.spf_open": (
        "The SPF record at {record.name} ends in “+all”, which lets anyone send as your domain. Change it to “~all”."
    ),
    "dns.value.spf_lookups": (
        "The SPF record at {record.name} needs more than 10 DNS lookups, which makes it invalid. Remove an include "
        "that you don't need."
    ),
    "dns.value.dmarc_policy": "The DMARC record at {record.name} has no valid policy: {reason}",
    "dns.value.dmarc_syntax": "The DMARC record at {record.name} is invalid at “{place}”: {reason}",
    "dns.value.dmarc_reports": "{subject} is published, but {reports}. Add the address shown to “rua=”.",
    "dns.value.spf_include": (
        "The SPF record at {record.name} includes a name without a valid SPF record, so receivers reject the whole "
        "record. {reason}"
    ),
    "dns.value.spf_voids": (
        "The SPF record at {record.name} names hosts that don't exist. Receivers allow 2 and reject the whole "
        "record. Remove the hosts that don't exist."
    ),
    "dns.dmarc.inherited": (
        "The DMARC record at _dmarc.{above} also applies here (p={policy}). You don't need a separate record."
    ),
    "dns.dmarc.own_reports": (
        "The DMARC record at _dmarc.{above} also applies here (p={policy}), but {reports}. "
        "To receive reports for this domain, add this TXT record. It keeps the policy."
    ),
    "dns.alias.dangling": (
        "{record.name} is a CNAME to {found}, which doesn't exist. Remove the CNAME and add the record shown."
    ),
    "dns.alias.dname": (
        "A DNAME record at {found} redirects all subdomains, including {record.name}, so you can't add records "
        "there. Add the record at the target of the DNAME, or replace the DNAME."
    ),
    "dns.rival.mx_shared": (
        "Only some of the mail for {record.name} arrives here, because another MX record has the same priority: "
        "{found}. Give ours the lowest number, or remove the other if you don't use its mailboxes."
    ),
    "dns.rival.null_mx_beside": (
        "{record.name} also has a null MX record (“.”), which says that it accepts no mail, so some senders reject "
        "all mail. Remove it and keep ours."
    ),
    "dns.value.amazon_other_host": (
        "{subject} points to {found}, the Amazon SES host for {use}. Replace it with the value shown."
    ),
    "dns.value.keys_swapped": (
        "{subject} has the value of another DKIM record of this domain: {found}. The value begins like the name. "
        "Replace it with the value shown."
    ),
    "dns.value.impossible_host": (
        "{subject} points to “{host}”, which isn't a valid mail server name. Replace it with the value shown."
    ),
    "dns.rival.mx": (
        "{record.name} receives its mail at {found}. If you change this MX record, mail arrives here instead. To "
        "keep the current mailboxes, set the domain to send only, or receive on a subdomain."
    ),
    "dns.rival.mx_behind": (
        "{subject} is correct. Another MX has a lower priority and is only used if SES is unavailable."
    ),
    "dns.rival.null_mx": "{record.name} has a null MX record (“accepts no mail”). Replace it with ours.",
    "dns.rival.mail_from_mx": "{subject} must be the only MX record at {record.name}. {only_mx}.{or_else}",
    "dns.rival.spf": "There are {number} SPF records at {record.name}, which makes all of them invalid. {one_spf}",
    "dns.rival.dmarc": "There are two DMARC records at {record.name}, which makes both invalid. "
    "Replace both with the value shown. It is no stricter than what applies now.",
    "dns.rival.wildcard": (
        "A wildcard record (*), or a CNAME or DNAME that other names have too, answers at {record.name}, so the value "
        "found there proves nothing. Add the {record.type} record itself at exactly this name. The wildcard then no "
        "longer answers there."
    ),
    "dns.rival.other_type": (
        "{record.name} has another record: {found}. A name with a CNAME can't have other records, so delete that one "
        "first."
    ),
    "dns.rival.cname": (
        "{record.name} is a CNAME to {found}. A name with a CNAME can't have other records. Remove the CNAME."
    ),
}

_VALUE_SHOWN = " Replace it with the value shown."
_IF_WILDCARD = " If it comes from a wildcard record (*), add our record; it overrides the wildcard."
_WITHOUT_POLICY = "{subject} is optional and not published. Add it only after you host the policy that it announces."
CODES = frozenset(_SENTENCES)


_BESIDE = (
    "dns.rival.mx_shared",
    "dns.rival.null_mx_beside",
    "dns.rival.spf",
    "dns.rival.mail_from_mx",
)  # ours is there


class Lost(Protocol):
    """What the summary of lost records needs of a judgement."""

    @property
    def key(self) -> str: ...
    @property
    def code(self) -> str: ...


def at_risk(lost: Sequence[Lost], count: str) -> str:
    """Return the domain's summary while records that were correct no longer are: what is at stake, and what to do.

    `count` is "2 of 6 records". Only the ownership and DKIM records concern the verification.
    """
    one, keys = len(lost) == 1, [each.key for each in lost]
    if all(each.code in _BESIDE for each in lost):
        news, ask = f"{'conflicts' if one else 'conflict'} with another record", "Correct"
    else:
        news, ask = f"{'has' if one else 'have'} changed or disappeared", "Restore"
    before = ""
    if any(key == "identity" or key.startswith("dkim-") for key in keys):
        before = " before the domain loses its verification"
    elif "mail-from-mx" in keys:
        before = " before SES stops using the MAIL FROM domain"
    harm = harm_of(lost)
    return f"{count} {news}. {harm}{' ' if harm else ''}{ask} {'it' if one else 'them'}{before}."


def restart(state: str) -> str:
    """Return what to do once SES stopped checking, by the state of the records in DNS."""
    failed = "We couldn't check the records, which may be correct. Check them again, then restart verification."
    asks = {"verified": "Restart verification.", "could_not_check": failed, "not_checked": failed}
    return asks.get(state, "Fix the records, then restart verification.")


def harm_of(lost: Sequence[Lost]) -> str:
    """Return what already happens because of lost records, "" if nothing does yet."""
    codes = [each.code for each in lost if is_inbound(each.key)]
    said = [next((_HARM[code] for code in codes if code in _HARM), "Mail no longer arrives here.")] if codes else []
    if any(each.key == "mail-from-spf" for each in lost):
        said.append("SPF fails for mail that SES sends.")
    return " ".join(said)


_HARM = {  # the worst first, for the inbound MX
    "dns.rival.mx": "Mail goes elsewhere now.",
    "dns.value.mx_alias": "Some senders can't deliver mail now.",
    "dns.rival.null_mx_beside": "Some senders reject all mail now.",
    "dns.rival.mx_shared": "Only some of the mail arrives here now.",
}


def restore(state: str) -> str:
    """Return what to do while SES can't find records that it has verified, by their state in DNS."""
    if state == "verified":
        return "Your records are correct again, and SES will check them automatically."
    return "Restore the records within 72 hours, or you'll have to set up the domain again."


OTHER_MAIL_FROM = (
    "{subject} is correct in DNS, but Amazon SES has another MAIL FROM domain, or none. Our team is alerted of that."
)


def subject(record: Record) -> str:
    """Return the record's name for the start of a sentence."""
    if record.key.startswith("dkim-"):
        return f"DKIM record {record.key.removeprefix('dkim-')}"
    if is_inbound(record.key) and record.key not in _SUBJECTS:
        return f"The inbound MX record of {record.name}"
    return _SUBJECTS.get(record.key, "This record")


def naming_subdomains(sentence: str, names: Sequence[str], domain: str) -> str:
    """Return the domain's summary with the names below it, if only they are its cause. `names`: of those records."""
    below = [name for name in names if name.endswith(f".{domain}")]
    if not below or len(below) < len(names):
        return sentence
    more = f" and {len(below) - 1} more" if len(below) > 1 else ""
    return f"{below[0]}{more}: {sentence}"


def mid_sentence(text: str) -> str:
    """Return the subject for the middle of a sentence: an article loses its capital, an acronym doesn't."""
    first = text.partition(" ")[0]
    return first.lower() + text[len(first) :] if first in _ARTICLES else text


def describe(code: str, record: Record, found: tuple[str, ...], names: SpfNames = NO_NAMES) -> str:
    """Return the sentence for a code. Raises KeyError for an unknown code."""
    place, reason = _broken(record, found, names) if "{reason}" in _SENTENCES[code] else ("", "")
    above = record.inherited
    fields = {"subject": subject(record), "found": _quote(record, found), "place": place, "reason": reason}
    fields["host"] = ", ".join(value.rpartition(" ")[2] for value in found)[:_LONGEST_QUOTE]
    fields |= {"use": use_of(found), "reports": reports_of(found)}
    fields |= {"only_mx": only_mx(record, found), "number": "two" if len(found) == 2 else str(len(found))}
    is_shared = any(_mx_host(value) != record.value.lower() for value in found)
    fields["or_else"] = " Or choose another MAIL FROM domain." if is_shared else ""
    fields["one_spf"] = " ".join(one_spf(record, found, "the value shown")) if code == "dns.rival.spf" else ""
    fields |= {"above": above.name, "policy": above.policy} if above else {"above": "", "policy": ""}
    is_announced_later = code == "dns.absent" and record.key == "mta-sts"
    text = (_WITHOUT_POLICY if is_announced_later else _SENTENCES[code]).format(record=record, **fields)
    if not record.withheld or _VALUE_SHOWN not in text:
        return text + (_IF_WILDCARD if _may_be_wildcard(code, record, found) else "")
    return f"{text.replace(_VALUE_SHOWN, '')} {record.withheld}"  # no value is offered, so none is shown


def _may_be_wildcard(code: str, record: Record, found: Sequence[str]) -> bool:
    """Return True if what was found may be a wildcard's answer, so that nothing may be there to change or delete."""
    if code == "dns.rival.mail_from_mx":
        return all(_mx_host(value) != record.value.lower() for value in found)
    is_other_alias = code == "dns.value.differs" and record.type == "CNAME"
    return is_other_alias or code in ("dns.rival.other_type", "dns.rival.cname", "dns.alias.dangling")


def only_mx(record: Record, found: Sequence[str]) -> str:
    """Return which MX records to delete and which one to keep. Our host may be there twice, or not at all."""
    ours = [value for value in found if _mx_host(value) == record.value.lower()]
    kept = record.with_priority if record.with_priority in ours or not ours else ours[0]
    surplus = ", ".join(value for value in found if value != kept)
    return f"Delete {surplus} and {'keep' if ours else 'add'} {kept}"


def one_spf(record: Record, found: Sequence[str], value: str) -> tuple[str, ...]:
    """Return what to do about several SPF records: which one stays, and with which `value`."""
    kept = merger.line_to_keep(found, record.value)
    others = f"the other{'s' if len(found) > 2 else ''}: {_quoted(line for line in found if line != kept)}"
    if record.withheld:
        return (
            record.withheld,
            f"Then check again for the merged value. {_quoted([kept])} stays with it, without {others}.",
        )
    if kept == record.value:
        return (f"Keep {_quoted([kept])} unchanged and delete {others}.",)
    return f"Change {_quoted([kept])} to {value}.", f"Then delete {others}."


def _quoted(lines: Iterable[str]) -> str:
    return ", ".join(f"“{line if len(line) <= _LONGEST_QUOTE else line[:_LONGEST_QUOTE] + '…'}”" for line in lines)


def _mx_host(value: str) -> str:
    return value.rpartition(" ")[2].rstrip(".").lower()


def _broken(record: Record, found: tuple[str, ...], names: SpfNames) -> tuple[str, str]:
    """Return the first invalid part of a policy record and the reason. The part is "" if it is behind an include."""
    problems = problems_in(record, found)
    if not problems and record.key in SPF_KEYS and (inside := broken_includes(found[0], names)):
        return "", inside[0].reason
    if not problems and record.key in SPF_KEYS and (place := ignored_in(found)):
        return place
    text, problem = problems[0] if problems else ("", RecordProblem(0, 0, "The syntax is invalid."))
    return text[problem.start : problem.end].strip()[:_LONGEST_QUOTE] or "a space", problem.reason


def ignored_in(found: tuple[str, ...]) -> tuple[str, str] | None:
    """Return the first SPF term that receivers ignore, SES's before others', and how to correct it."""
    lines = [grammar.parse(line) for line in grammar.spf_records(found)]
    terms = [(line, term) for line in lines for term in line.ignored]
    if not terms:
        return None
    line, term = min(terms, key=lambda pair: pair[1].domain != grammar.AMAZON)
    return term.text, _correction(term, is_out_of_reach=term in line.out_of_reach)


def _correction(term: grammar.Term, *, is_out_of_reach: bool) -> str:
    if term.is_redirect:
        return f"“all” disables “redirect=”. To allow those senders, write “include:{term.argument}” before “all”."
    if is_out_of_reach:
        return "It comes after “all”. Move it before “all”."
    if term.name == "all":
        return "Write “~all”."
    return f"Write “{term.name}:{term.argument}”."


def reports_of(found: tuple[str, ...]) -> str:
    """Return where the reports of DMARC records go that don't have our address."""
    is_asked = any(dmarc_core.parse(text).reports for text in found)
    return "its reports go to another address" if is_asked else "it asks for no reports"


def use_of(found: tuple[str, ...]) -> str:
    """Return the use of the first SES host among the values, "" if there is none."""
    return next((use.value for use in map(host_use, map(_mx_host, found)) if use), "")


def problems_in(record: Record, found: tuple[str, ...]) -> tuple[tuple[str, RecordProblem], ...]:
    """Return the syntax errors in the policy records among the values, each with its record."""
    if record.key == "dmarc":
        return tuple((text, problem) for text in found for problem in dmarc_core.parse(text).problems)
    if record.key in SPF_KEYS:
        return tuple((text, problem) for text in found for problem in grammar.problems_of(text))
    return ()


def _quote(record: Record, found: tuple[str, ...]) -> str:
    """Return the incorrect values, truncated."""
    others = [value for value in found if value.lower().rpartition(" ")[2] != record.value.lower()] or list(found)
    text = ", ".join(others)
    return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…"
