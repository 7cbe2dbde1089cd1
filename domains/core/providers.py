"""Which company answers for a zone, told by its name servers."""

# The ending of a name server's name, and the company's name as its customers know it.
BY_NAMESERVER = (
    ("ns.cloudflare.com", "Cloudflare"),
    ("domaincontrol.com", "GoDaddy"),
    ("registrar-servers.com", "Namecheap"),
    ("googledomains.com", "Squarespace Domains"),
    ("squarespacedns.com", "Squarespace Domains"),
    ("vercel-dns.com", "Vercel"),
    ("digitalocean.com", "DigitalOcean"),
    ("nsone.net", "Netlify or NS1"),
    ("dnsimple.com", "DNSimple"),
    ("dnsimple-edge.net", "DNSimple"),
    ("hover.com", "Hover"),
    ("porkbun.com", "Porkbun"),
    ("gandi.net", "Gandi"),
    ("ovh.net", "OVHcloud"),
    ("anycast.me", "OVHcloud"),
    ("ui-dns.com", "IONOS"),
    ("ui-dns.de", "IONOS"),
    ("ui-dns.org", "IONOS"),
    ("ui-dns.biz", "IONOS"),
    ("hetzner.com", "Hetzner"),
    ("hetzner.de", "Hetzner"),
    ("first-ns.de", "Hetzner"),
    ("second-ns.com", "Hetzner"),
    ("azure-dns.com", "Azure DNS"),
    ("wixdns.net", "Wix"),
)


def provider_of(nameservers: tuple[str, ...]) -> str:
    """The company's name, or "" when the name servers are not known to us. Route 53 numbers its names."""
    for server in nameservers:
        if ".awsdns-" in f".{server}":
            return "Route 53"
        for ending, company in BY_NAMESERVER:
            if server == ending or server.endswith(f".{ending}"):
                return company
    return ""
