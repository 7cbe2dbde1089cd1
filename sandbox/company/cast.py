"""The company's customers, their domains, and what is wrong with each. Only names."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Firm:
    """A customer whose owner nobody signs in as. Without `has_tenant`, it is from before tenants were used."""

    name: str
    email: str
    first_name: str
    last_name: str
    has_tenant: bool = True


@dataclass(frozen=True)
class Fault:
    """A domain with one mistake: at the record `key`, of the `code` in `dns.mistakes`."""

    name: str
    firm: str
    key: str
    code: str


BRIGHTWATER, PELICAN = "Brightwater Yoga", "Pelican Freight"
MAPLE, ORCHARD = "Maple Street Bakery", "Orchard Lane School"
FENWICK, TALLIS, KETTLE = "Fenwick Legal", "Tallis Audio", "Copper Kettle Coffee"
GREENLINE, SABLE = "Greenline Cycles", "Sable & Finch"

FIRMS = (
    Firm(BRIGHTWATER, "bea@brightwater.yoga", "Bea", "Santos"),
    Firm(PELICAN, "piet@pelicanfreight.com", "Piet", "Bakker"),
    Firm(MAPLE, "mina@maplestreetbakery.com", "Mina", "Cho"),
    Firm(ORCHARD, "otis@orchardlaneschool.org", "Otis", "Grant"),
    Firm(FENWICK, "fay@fenwicklegal.com", "Fay", "Fenwick", has_tenant=False),
    Firm(TALLIS, "tom@tallisaudio.com", "Tom", "Tallis", has_tenant=False),
    Firm(KETTLE, "kira@copperkettle.coffee", "Kira", "Novak", has_tenant=False),
    Firm(GREENLINE, "gus@greenlinecycles.com", "Gus", "Moreau", has_tenant=False),
    Firm(SABLE, "sade@sableandfinch.com", "Sade", "Finch", has_tenant=False),
)

# The DNS host of a firm's zones, whose terms its records use. The others' host is unknown.
NAMESERVERS = {
    BRIGHTWATER: ("dns14.ovh.net", "ns14.ovh.net"),
    PELICAN: ("ns-1536.awsdns-00.co.uk", "ns-512.awsdns-00.net"),
    MAPLE: ("ns31.domaincontrol.com", "ns32.domaincontrol.com"),
    FENWICK: ("ns1045.ui-dns.org", "ns1071.ui-dns.com"),
    TALLIS: ("dns1.registrar-servers.com", "dns2.registrar-servers.com"),
    GREENLINE: ("dana.ns.cloudflare.com", "rob.ns.cloudflare.com"),
    SABLE: ("ns1.digitalocean.com", "ns2.digitalocean.com"),
}

VERIFIED = (
    ("brightwater.yoga", BRIGHTWATER),
    ("pelicanfreight.com", PELICAN),
    ("track.pelicanfreight.com", PELICAN),
    ("maplestreetbakery.com", MAPLE),
    ("orders.maplestreetbakery.com", MAPLE),
    ("orchardlaneschool.org", ORCHARD),
    ("fenwicklegal.com", FENWICK),
    ("tallisaudio.com", TALLIS),
    ("copperkettle.coffee", KETTLE),
    ("greenlinecycles.com", GREENLINE),
    ("sableandfinch.com", SABLE),
    ("news.sableandfinch.com", SABLE),
)
# Nothing was published for them, and SES stopped checking after 72 hours.
FORGOTTEN = (("old.tallisaudio.com", TALLIS), ("promo.greenlinecycles.com", GREENLINE))
PENDING = (
    ("hello.copperkettle.coffee", KETTLE),
    ("legacy.pelicanfreight.com", PELICAN),
    ("beta.tallisaudio.com", TALLIS),
)
FAULTS = (
    Fault("mailer.fenwicklegal.com", FENWICK, "dkim-1", "value.appended_zone"),
    Fault("app.tallisaudio.com", TALLIS, "dkim-3", "name.wrong_parent"),
    Fault("club.copperkettle.coffee", KETTLE, "dkim-1", "type.cname_as_txt"),
    Fault("shop.greenlinecycles.com", GREENLINE, "dkim-2", "rival.proxied"),
    Fault("gifts.sableandfinch.com", SABLE, "dkim-2", "value.cut"),
    Fault("care.brightwater.yoga", BRIGHTWATER, "dmarc", "value.quoted"),
    Fault("ops.pelicanfreight.com", PELICAN, "mail-from-mx", "value.priority_inside"),
    Fault("eu.pelicanfreight.com", PELICAN, "mail-from-mx", "value.other_region"),
    Fault("parents.orchardlaneschool.org", ORCHARD, "mail-from-mx", "type.mx_as_cname"),
    Fault("staff.orchardlaneschool.org", ORCHARD, "mail-from-mx", "rival.two_mx"),
    Fault("catering.maplestreetbakery.com", MAPLE, "mail-from-spf", "spf.comma"),
    Fault("bookings.brightwater.yoga", BRIGHTWATER, "dmarc", "dmarc.version"),
    Fault("repairs.greenlinecycles.com", GREENLINE, "dkim-1", "name.swapped"),
    Fault("fenwick-notary.com", FENWICK, "dkim-1", "zone.lame"),
    Fault("tallis-archive.com", TALLIS, "dkim-1", "zone.servfail"),
)
