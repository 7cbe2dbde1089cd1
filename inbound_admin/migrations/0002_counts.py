from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("inbound_admin", "0001_pace_and_cache")]
    operations = [
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
        )
    ]
