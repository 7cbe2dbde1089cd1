"""Why a domain is not verified: observations in, findings out. Pure; `services/diagnosing.py` gathers and asks."""
