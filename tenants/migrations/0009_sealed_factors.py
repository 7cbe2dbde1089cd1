"""The secrets of two-step sign-in are encrypted, as allauth lets an adapter do."""

from django.db import migrations

from inbound_admin.lib.sealing import is_sealed, seal, unseal


def seal_all(apps, _editor):
    _each(apps, lambda text: text if is_sealed(text) else seal(text))


def unseal_all(apps, _editor):
    _each(apps, lambda text: unseal(text) if is_sealed(text) else text)


def _each(apps, changed):
    for row in apps.get_model("mfa", "Authenticator").objects.filter(type__in=("totp", "recovery_codes")).iterator():
        data = {name: changed(value) if name in ("secret", "seed") else value for name, value in row.data.items()}
        if codes := row.data.get("migrated_codes"):
            data["migrated_codes"] = [changed(code) for code in codes]
        row.data = data
        row.save(update_fields=("data",))


class Migration(migrations.Migration):
    dependencies = [("tenants", "0009_session_generation"), ("mfa", "0003_authenticator_type_uniq")]
    operations = [migrations.RunPython(seal_all, unseal_all)]
