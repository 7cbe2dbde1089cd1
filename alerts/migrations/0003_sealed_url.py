"""Addresses of webhooks are encrypted: those of Slack and its likes are secrets."""

from django.db import migrations, models

from inbound_admin.lib.sealing import seal, unseal


def seal_all(apps, _editor):
    for target in apps.get_model("alerts", "WebhookTarget").objects.only("url").iterator():
        target.sealed_url = seal(target.url)
        target.save(update_fields=("sealed_url",))


def unseal_all(apps, _editor):
    for target in apps.get_model("alerts", "WebhookTarget").objects.only("sealed_url").iterator():
        target.url = unseal(target.sealed_url)
        target.save(update_fields=("url",))


class Migration(migrations.Migration):
    dependencies = [("alerts", "0002_roles")]
    operations = [
        migrations.AddField(
            model_name="webhooktarget",
            name="sealed_url",
            field=models.TextField(default="", help_text="Sealed: the addresses of Slack and its likes are secrets."),
            preserve_default=False,
        ),
        migrations.RunPython(seal_all, unseal_all),
    ]
