from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("inbound_admin", "0001_initial")]
    operations = [
        migrations.RunSQL(
            """
            ALTER TABLE aws_pace ADD COLUMN passed jsonb NOT NULL DEFAULT '{}';
            CREATE UNLOGGED TABLE aws_turns (
                id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                account text NOT NULL,
                region text NOT NULL,
                lane smallint NOT NULL,
                back_by timestamptz NOT NULL
            )
            """,
            "DROP TABLE aws_turns; ALTER TABLE aws_pace DROP COLUMN passed",
        ),
    ]
