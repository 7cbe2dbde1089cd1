from django.db import migrations


class Migration(migrations.Migration):
    """A text's groups of three characters, as numbers: an index of them finds a part of a name without an extension."""

    dependencies = [("inbound_admin", "0002_turns")]
    operations = [
        migrations.RunSQL(
            """
            CREATE FUNCTION name_parts(name text) RETURNS integer[]
            LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
                SELECT coalesce(array_agg(DISTINCT ascii(substr(name, n, 1)) % 1024 * 1048576
                    + ascii(substr(name, n + 1, 1)) % 1024 * 1024 + ascii(substr(name, n + 2, 1)) % 1024), '{}')
                FROM generate_series(1, length(name) - 2) AS n
            $$
            """,
            "DROP FUNCTION name_parts(text)",
        ),
    ]
