"""A temporary database for measurements, made like the tests' database."""

from collections.abc import Iterator
from contextlib import contextmanager

import django


@contextmanager
def fresh() -> Iterator[None]:
    """Yield a migrated, empty database, and drop it afterwards."""
    django.setup()
    from django.db import connection

    name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        yield
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)
