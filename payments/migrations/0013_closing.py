from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Which attempts their gateways are to close; made without holding up payments that come."""

    atomic = False

    dependencies = [
        ("payments", "0012_disputes_named"),
    ]

    operations = [
        migrations.AddField(
            model_name="attempt",
            name="close_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="attempt",
            name="close_tries",
            field=models.SmallIntegerField(db_default=0, default=0),
        ),
        AddIndexConcurrently(
            model_name="attempt",
            index=models.Index(
                condition=models.Q(("close_at__isnull", False)),
                fields=["close_at"],
                name="attempt_to_close",
            ),
        ),
    ]
