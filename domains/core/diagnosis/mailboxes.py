"""Who holds the mailboxes of a domain, by the names of its mail servers: as people know the company."""

from domains.core.diagnosis.holding import mx_hosts

# The ending of a mail server's name, and the company.
_BY_HOST = (
    ("google.com", "Google Workspace"),
    ("googlemail.com", "Google Workspace"),
    ("mail.protection.outlook.com", "Microsoft 365"),
    ("zoho.com", "Zoho Mail"),
    ("zoho.eu", "Zoho Mail"),
    ("messagingengine.com", "Fastmail"),
    ("protonmail.ch", "Proton Mail"),
    ("mail.icloud.com", "iCloud Mail"),
    ("mx.cloudflare.net", "Cloudflare Email Routing"),
    ("improvmx.com", "ImprovMX"),
    ("forwardemail.net", "Forward Email"),
    ("pphosted.com", "Proofpoint"),
    ("mimecast.com", "Mimecast"),
    ("secureserver.net", "GoDaddy"),
    ("kundenserver.de", "IONOS"),
    ("ionos.com", "IONOS"),
    ("ovh.net", "OVHcloud"),
    ("gandi.net", "Gandi"),
    ("privateemail.com", "Namecheap Private Email"),
    ("yandex.net", "Yandex"),
    ("mailgun.org", "Mailgun"),
    ("sendgrid.net", "SendGrid"),
)


def company_of(values: tuple[str, ...]) -> str:
    """Of the best server that is somebody's we know, with its priority; "" where none is."""
    for value in values:
        host = mx_hosts((value,))[0]
        for ending, company in _BY_HOST:
            if host == ending or host.endswith(f".{ending}"):
                return f"{company} (priority {value.partition(' ')[0]})"
    return ""
