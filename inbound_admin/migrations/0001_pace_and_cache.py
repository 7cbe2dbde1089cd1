from django.core.management import call_command
from django.db import migrations


def create_cache(apps, schema_editor):
    call_command("createcachetable", database=schema_editor.connection.alias, verbosity=0)


class Migration(migrations.Migration):
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
    ]
