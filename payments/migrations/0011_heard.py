from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """When a gateway was last heard, without reading its messages; made without holding up those that come."""

    atomic = False

    dependencies = [
        ("payments", "0010_otp"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="notification",
            index=models.Index(
                condition=models.Q(("status__in", ["processed", "ignored"])),
                fields=["account", "-received_at"],
                name="notification_heard",
            ),
        ),
    ]
