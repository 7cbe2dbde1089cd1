"""Addresses, endpoints, the runs that change SES receipt rules, and what was read of the rules."""

from receipt_rules.models import addresses, endpoints, expectations, probes, received_mail, runs

__all__ = ["addresses", "endpoints", "expectations", "probes", "received_mail", "runs"]
