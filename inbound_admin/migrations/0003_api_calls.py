from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("inbound_admin", "0002_counts")]
    operations = [
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
    ]
