"""Addresses, endpoints, the runs that change SES receipt rules, and what was read of the rules."""

from receipt_rules.models import addresses, endpoints, expectations, live, probes, received_mail, runs

__all__ = ["addresses", "endpoints", "expectations", "live", "probes", "received_mail", "runs"]
