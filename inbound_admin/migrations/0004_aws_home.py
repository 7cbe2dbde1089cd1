from django.db import migrations


class Migration(migrations.Migration):
    """The AWS account of each region that this database is about. `aws_pace` knows it for what has run before."""

    dependencies = [("inbound_admin", "0003_name_parts")]
    operations = [
        migrations.RunSQL(
            """
            CREATE TABLE aws_home (
                region text PRIMARY KEY,
                account text NOT NULL,
                is_accepted boolean NOT NULL DEFAULT false
            );
            INSERT INTO aws_home (region, account)
                SELECT region, min(account) FROM aws_pace GROUP BY region HAVING count(*) = 1
            """,
            "DROP TABLE aws_home",
        ),
    ]
