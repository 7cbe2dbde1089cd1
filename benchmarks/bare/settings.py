"""The product's settings, with the bare admin added."""

from inbound_admin.settings import *  # noqa: F403

ROOT_URLCONF = "benchmarks.bare.urls"
