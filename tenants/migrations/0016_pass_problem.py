from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('tenants', '0015_receiving_state'),
    ]

    operations = [
        migrations.AddField(
            model_name='sesaccount',
            name='pass_failing_since',
            field=models.DateTimeField(help_text='When the first of such passes in a row failed.', null=True),
        ),
        migrations.AddField(
            model_name='sesaccount',
            name='pass_problem',
            field=models.TextField(blank=True, db_default='', help_text="Why the last pass couldn't list the tenants."),
        ),
    ]
