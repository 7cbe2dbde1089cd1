from django.core.management import call_command
from django.db import migrations


def create_cache(apps, schema_editor):
    call_command("createcachetable", database=schema_editor.connection.alias, verbosity=0)


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.RunSQL(
            """
            CREATE TABLE aws_pace (
                account text NOT NULL,
                region text NOT NULL,
                free_at timestamptz NOT NULL,
                PRIMARY KEY (account, region)
            )
            """,
            "DROP TABLE aws_pace",
        ),
        migrations.RunPython(create_cache, migrations.RunPython.noop),
        migrations.RunSQL(
            """
            CREATE TABLE counts (
                hour timestamptz NOT NULL,
                name text NOT NULL,
                label text NOT NULL DEFAULT '',
                outcome text NOT NULL DEFAULT '',
                number double precision NOT NULL DEFAULT 0,
                seconds double precision NOT NULL DEFAULT 0,
                PRIMARY KEY (name, hour, label, outcome)
            )
            """,
            "DROP TABLE counts",
        ),
        migrations.RunSQL(
            """
            CREATE TABLE api_calls (
                caller text NOT NULL,
                key text NOT NULL,
                digest text NOT NULL,
                begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
                status integer,
                body text,
                PRIMARY KEY (caller, key)
            );
            CREATE UNLOGGED TABLE api_pace (
                caller text PRIMARY KEY,
                free_at timestamptz NOT NULL
            )
            """,
            "DROP TABLE api_calls; DROP TABLE api_pace",
        ),
        migrations.RunSQL("""DELETE FROM api_calls WHERE body LIKE '%"config"%'""", migrations.RunSQL.noop),
    ]
