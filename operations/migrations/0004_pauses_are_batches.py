"""The batches of pauses become rows of the one engine; apart from 0003, since PostgreSQL makes no index after inserts."""

from collections.abc import Iterator
from typing import Any

from django.db import migrations

NOT_ASKED = "It was not asked for: try again."


def move_pauses(apps: Any, schema_editor: Any) -> None:
    old, batch, item = (apps.get_model("operations", name) for name in ("PauseBatch", "Batch", "BatchItem"))
    for pauses in old.objects.all():
        made = batch.objects.create(id=pauses.pk, kind=pauses.kind, words=pauses.words, by_id=pauses.by_id)
        batch.objects.filter(pk=made.pk).update(created_at=pauses.created_at)
        item.objects.bulk_create(_items(item, made, pauses))


def _items(item: Any, batch: Any, pauses: Any) -> Iterator[Any]:
    for number, old in enumerate(pauses.items.order_by("name", "pk"), start=1):
        yield item(
            batch=batch,
            number=number,
            name=old.name,
            tenant_id=old.tenant_id,
            state="done" if old.asked_at else "refused",
            problem="" if old.asked_at else old.problem or NOT_ASKED,
            done_at=old.asked_at,
        )


class Migration(migrations.Migration):
    dependencies = [("operations", "0003_batch")]

    operations = [
        migrations.RunPython(move_pauses, migrations.RunPython.noop),
        migrations.DeleteModel("PauseBatchItem"),
        migrations.DeleteModel("PauseBatch"),
    ]
