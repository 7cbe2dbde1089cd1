"""The text of each code: a verdict with the record's purpose, and what to do, in at most sixty words.

A code has its own `why` and `then` only where they differ from the record's purpose and the expected time.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class FindingWords:
    verdict: str
    steps: tuple[str, ...] = ()
    why: str | None = None
    then: str | None = None
    more: str = ""


_PASTE = ("Edit the {type} record at “{typed}”.", "Paste the value again, whole: {value}")
_WAIT = "There is nothing to do; we look again by ourselves."

TEXTS: Mapping[str, FindingWords] = {
    "dns.domain.no_such": FindingWords(
        "{zone} does not exist on the public internet.{meant}",
        ("Look for a typing error, or register the domain.",),
        "Without a domain nothing can be found.",
        "A new registration can take hours to appear; we look again.",
        "A domain that lives in a private network alone cannot be used for mail.",
    ),
    "dns.domain.lapsed": FindingWords(
        "{zone} is not in service any more: it has lapsed, or its registrar holds it back.",
        ("Sign in at the registrar of {zone}.", "Renew it, or clear the hold."),
        "All mail of the domain is affected. Your records are not at fault.",
        "We look again every few minutes.",
    ),
    "dns.change.nameservers": FindingWords(
        "{zone} moved to another DNS host, and the records did not move with it.",
        ("Sign in where {zone} is answered now: {found}.", "Publish the records there."),
        "Before, {at} answered.",
    ),
    "dns.host.elsewhere": FindingWords(
        "{subject} was added at {at}, but {zone} is answered by {found}.",
        ("Sign in at the company behind {found}.", "Add the record there instead."),
        "The company that sold the domain and the one that answers for it can differ.",
    ),
    "dns.delegation.sub_zone": FindingWords(
        "{subject} is missing, and {at} is answered by other servers: {found}.",
        ("Add the record at whoever runs those servers; at your usual DNS host nobody sees it.",),
    ),
    "dns.server.silent": FindingWords(
        "The name servers of {zone} do not answer, so we cannot tell what is published.",
        ("Ask your DNS host, and look whether the domain is paid for.",),
        "This says nothing about your records.",
        "We look again every few minutes.",
    ),
    "dns.server.lame": FindingWords(
        "One name server of {zone} does not answer for it: {at}.",
        ("Tell your DNS host, or remove {at} from the domain's name servers at the registrar.",),
        "Some look-ups are slow or fail by chance.",
        "We look again within minutes.",
    ),
    "dns.server.disagree": FindingWords(
        "{subject} is at {count} of your name servers, and the others do not have it.",
        ("Wait an hour; if they still disagree, ask your DNS host why {at} is behind.",),
        "Who asks the wrong one does not see it.",
        "We look again within minutes.",
    ),
    "dns.dnssec.broken": FindingWords(
        "A security key (DS) that does not fit is published for {zone}, so careful resolvers refuse every answer.",
        ("Sign in at the registrar.", "Remove the DS record, or replace it by the one of your present DNS host."),
        "Amazon and most of the internet see nothing of the domain.",
        "It can take a day to fade from caches.",
    ),
    "dns.lookup_failed": FindingWords(
        "We could not look for this just now: {lower_subject}.", (), "That says nothing about it.", _WAIT
    ),
    "dns.change.gone": FindingWords(
        "{subject} was right until {day} and is {gone}.",
        ("Put the {type} record at “{typed}” back: {value}",),
        "{while_gone}",
    ),
    "dns.absent": FindingWords(
        "{subject} is not there yet.", ("{where} add a {type} record, name “{typed}”{priority_box}: {value}",)
    ),
    "dns.name.doubled_zone": FindingWords(
        "{subject} is there, but one step too far: your DNS host added {zone} by itself.",
        ("Edit the record and type only “{typed}” as its name.",),
    ),
    "dns.name.apex": FindingWords(
        "{subject} was put at {at} itself.",
        ("Remove it there.", "Add it with the name “{typed}”."),
    ),
    "dns.name.apex_mx": FindingWords(
        "{subject} was put at {at} itself and takes over all mail of {at}.",
        ("Remove that MX from {at} now.", "Then add it with the name “{typed}”."),
        "Mail to people at {at} does not reach them.",
    ),
    "dns.name.wrong_parent": FindingWords(
        "{subject} is at {at}: part of its name is missing.",
        ("Edit the record and type “{typed}” as its name, all of it.",),
    ),
    "dns.name.swapped": FindingWords(
        "{subject} has its two boxes the wrong way round.",
        ("Delete the record.", "Add a {type} record with the name “{typed}” and the value {value}"),
    ),
    "dns.name.underscore": FindingWords(
        "{subject} does not appear. Does your DNS host refuse names with “_”?",
        ("{underscore}",),
    ),
    "dns.name.spf_at_apex": FindingWords(
        "{subject} was put at {at}, where it is not needed.",
        ("Add it at “{typed}” as a TXT record: {value}",),
    ),
    "dns.name.dmarc": FindingWords(
        "{subject} is at {at}, where nobody reads it.",
        ("Add it as a TXT record with the name “{typed}”, and remove the other.",),
    ),
    "dns.time.unpublished": FindingWords(
        "{subject} is not there, and your DNS host has published nothing since {time}.",
        ("Look for a Save, Apply or Publish button at your DNS host and press it.",),
        "Its serial number has not moved.",
    ),
    "dns.rival.wildcard": FindingWords(
        "{subject} is missing, and a catch-all record ({at}) answers in its place.",
        ("Add our {type} record with the name “{typed}”: an exact name wins over the catch-all.",),
    ),
    "dns.value.wrong_type": FindingWords(
        "{subject} has the right name and value but is of the wrong type.",
        ("Delete the {at} record.", "Add a {type} record with the same name{priority_box} and value."),
    ),
    "dns.value.flattened": FindingWords(
        "{subject} is answered with what lies behind it, not with the alias itself.",
        ("Switch “CNAME flattening” off for “{typed}” at your DNS host.",),
    ),
    "dns.rival.proxied": FindingWords(
        "{subject} is hidden behind your DNS host's proxy.",
        ("In Cloudflare click the orange cloud beside “{typed}” so that it turns grey (“DNS only”).",),
    ),
    "dns.value.zone_appended": FindingWords(
        "{subject} has {zone} added to the end of its value.",
        ("Edit the record and put a dot at the very end of the value, so that your DNS host leaves it alone.",),
    ),
    "dns.value.dot": FindingWords(
        "{subject} has a dot too many at the end of its value.",
        ("Edit the record at “{typed}” and leave the dot out.",),
    ),
    "dns.value.quoted": FindingWords(
        "{subject} has quotation marks in its value.", ("Edit the record at “{typed}” and remove them: {value}",)
    ),
    "dns.value.cut": FindingWords("{subject} is cut short: only its first part arrived.", _PASTE),
    "dns.value.typo": FindingWords("{subject} differs by a letter or two.", _PASTE),
    "dns.value.case": FindingWords(
        "{subject} lost its capitals, and here they count.",
        ("Paste the value again.", "If your DNS host changes it once more, ask its support."),
    ),
    "dns.value.priority_inside": FindingWords(
        "{subject} has the priority inside of the value.",
        ("Put {priority} into the Priority box.", "Leave only the host name in the value: {bare}"),
    ),
    "dns.value.spaces": FindingWords("{subject} has a space or an unseen character in its value.", _PASTE),
    "dns.value.other_region": FindingWords("{subject} belongs to another Amazon region.", ("Replace it by {value}",)),
    "dns.value.old_key": FindingWords("{subject} belongs to an earlier set-up at Amazon.", ("Replace it by {value}",)),
    "dns.value.other_token": FindingWords(
        "{subject} is not there yet. The one there is of another Amazon account or region.",
        ("Leave that one and add a second {type} record at “{typed}”: {value}",),
    ),
    "dns.value.ip": FindingWords(
        "{subject} leads to an IP address, and only a host name works.", ("Replace it by {value}",)
    ),
    "dns.value.mx_alias": FindingWords(
        "{subject} leads to {at}, which is an alias, and mail servers may not be aliases.",
        ("Name the host itself: {value}",),
    ),
    "dns.rival.null_mx": FindingWords(
        "{name} says that it takes no mail at all.", ("Remove that MX record.", "Add ours: {whole}")
    ),
    "dns.value.prefixed": FindingWords(
        "{subject} begins with “amazonses:”, which belongs only at the domain itself.", ("Remove that part.",)
    ),
    "dns.value.differs": FindingWords(
        "{subject} is something else today.", ("Change the {type} record at “{typed}” to {value}",)
    ),
    "dns.value.spf_without_amazon": FindingWords(
        "{subject} is missing in the line that is there.", ("Replace that line by {merged}",)
    ),
    "dns.value.spf_order": FindingWords(
        "{subject} stands behind “all”, where nobody reads it.", ("Replace the line by {merged}",)
    ),
    "dns.value.spf_syntax": FindingWords(
        "{subject} has a word in it that receivers do not know, so they ignore all of the line.",
        ("Look for a typing error in the TXT record at “{typed}”.",),
    ),
    "dns.value.spf_open": FindingWords("{subject} lets the whole world send.", ("Change “+all” to “~all”.",)),
    "dns.value.spf_lookups": FindingWords(
        "{subject} asks for {lookups} look-ups, and more than ten make the whole line invalid.",
        ("Remove what you do not need; the costliest is “{costliest}” ({costs}).",),
    ),
    "dns.value.dmarc_policy": FindingWords(
        "{subject} has no valid policy.", ("Write “p=none” into it, or replace it by {value}",)
    ),
    "dns.value.dmarc_reports": FindingWords(
        "{subject} is there, but its reports go elsewhere.", ("Add the address of {value} after “rua=”.",)
    ),
    "dns.value.dmarc_strict": FindingWords(
        "{subject} tells receivers to refuse what is not signed, and nothing of yours is signed yet.",
        ("Put the signing keys right first, or use “p=none” until they are.",),
    ),
    "dns.rival.spf": FindingWords(
        "{subject} is one of two lines that begin with “v=spf1”, and two make both invalid.",
        ("Replace them by this single line: {merged}",),
    ),
    "dns.rival.mx": FindingWords(
        "Mail to {name} goes to {mail_at} and not here.",
        (
            "If people read mail there, keep it and receive at a sub-domain such as in.{zone}.",
            "Only if not, remove it: that inbox stops receiving.",
        ),
    ),
    "dns.rival.forwarding": FindingWords(
        "The registrar forwards the mail of {name}: {others}.",
        (
            "Switch e-mail forwarding off (at Namecheap: Advanced DNS, Mail Settings, Custom MX).",
            "Then add the MX record {whole}",
        ),
    ),
    "dns.rival.mail_from_mx": FindingWords(
        "There must be exactly one MX at {name}, and there is another.",
        ("Delete {others}; keep {value}",),
        "Amazon refuses the return address while there are two.",
    ),
    "dns.rival.mail_from_in_use": FindingWords(
        "{name} is already used for something else: {others}.",
        ("Leave that as it is.", "Choose another name for bounces under Settings."),
    ),
    "dns.rival.cname": FindingWords(
        "{name} holds an alias (CNAME) and something else, and an alias may have nothing beside it.",
        ("{remove}",),
    ),
    "dns.rival.dmarc": FindingWords(
        "{subject} is one of two, and two make both invalid.", ("Keep one of them and delete the other.",)
    ),
    "dns.spreading": FindingWords(
        "You did it right. Your DNS host shows it: {lower_subject}.",
        (),
        "The rest of the internet still remembers what was there before.",
        "It has caught up by {until} at the latest. You can close this page.",
    ),
    "amazon.behind": FindingWords(
        "Your DNS is right. Amazon has not confirmed it yet.",
        (),
        "Amazon last looked at {looked}.",
        "It looks again by itself, within 72 hours.",
    ),
    "amazon.gave_up": FindingWords(
        "Your DNS is right, but Amazon looked for 72 hours, did not find it, and stopped.",
        ("Ask Amazon to look again (on the domain's page).",),
        "Amazon last looked at {looked}.",
        "It then takes minutes, seldom hours.",
    ),
    "amazon.lost": FindingWords(
        "Your DNS is right. Amazon did not see it at {looked} and will look again.",
        (),
        "Mail still flows; after 72 hours it would stop.",
        _WAIT,
    ),
    "amazon.unknown": FindingWords(
        "Your DNS is right. We could not ask Amazon about it.", (), "That says nothing about it.", _WAIT
    ),
    "amazon.held_elsewhere": FindingWords(
        "The ownership of {domain} is not proven yet, so it is not set up with Amazon.",
        ("Publish the proof that is shown on the domain's page, or ask our support.",),
        "Whoever proves that the domain is theirs gets it.",
        "",
    ),
}
