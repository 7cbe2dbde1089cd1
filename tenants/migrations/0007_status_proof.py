from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0007_tenant_roles")]

    operations = [
        migrations.AddField(
            "tenant",
            "policy_told",
            models.CharField(blank=True, help_text="The policy that Amazon last took from us.", max_length=10),
        ),
        migrations.AddField(
            "tenant",
            "status_proven_at",
            models.DateTimeField(blank=True, help_text="When Amazon was read to be as wanted.", null=True),
        ),
        migrations.AddField(
            "tenant",
            "pause_reminded_on",
            models.DateField(blank=True, help_text="The day of review that staff were told of.", null=True),
        ),
        migrations.AddField(
            "tenantresource",
            "checked_at",
            models.DateTimeField(help_text="When no other tenant had it; null: to be asked.", null=True),
        ),
        migrations.AddField(
            "tenantresource",
            "held_by",
            models.CharField(blank=True, help_text="Another tenant that has it: for staff alone.", max_length=64),
        ),
        migrations.AddField(
            "tenantresource",
            "verified",
            models.BooleanField(help_text="Of an identity: whether it may send; null: not known.", null=True),
        ),
        migrations.RemoveConstraint("tenantresource", "identity_in_one_tenant"),
        migrations.AddConstraint(
            "tenantresource",
            models.UniqueConstraint(
                condition=models.Q(("kind", "identity"), ("wanted", True)),
                fields=("arn",),
                name="identity_in_one_tenant",
            ),
        ),
    ]
