"""Amazon's inbound host, played on this machine: SMTP in, receipt rules, the shipped function, and a webhook sink."""
