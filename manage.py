#!/usr/bin/env python
"""Django's command line for Inbound Admin."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import DatabaseError

from inbound_admin.lib.database import sentence_of
from inbound_admin.lib.errors import Problem

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "inbound_admin.settings")
    try:
        execute_from_command_line(sys.argv)
    except (Problem, ImproperlyConfigured) as problem:
        sys.exit(f"{problem}")
    except DatabaseError as error:
        if sentence := sentence_of(error):
            sys.exit(sentence)
        raise
