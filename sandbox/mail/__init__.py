"""SES's inbound host on this machine: SMTP, receipt rules, the shipped function, and a webhook sink."""
