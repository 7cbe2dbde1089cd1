#!/usr/bin/env python
"""Django's command line for Inbound Admin."""

import os
import sys

from django.core.management import execute_from_command_line

from inbound_admin.lib.errors import Problem

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inbound_admin.settings")
    try:
        execute_from_command_line(sys.argv)
    except Problem as problem:
        sys.exit(f"{problem}")
