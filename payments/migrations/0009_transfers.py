from pathlib import Path

from django.db import migrations, models

SQL = Path(__file__).parents[1] / "sql"


class Migration(migrations.Migration):
    """The letter about a bank transfer; money that nobody named may be named once."""

    dependencies = [("payments", "0008_routing")]

    operations = [
        migrations.AlterField(
            model_name="emailmessagelog",
            name="kind",
            field=models.CharField(
                choices=[
                    ("payment_succeeded", "payment received"),
                    ("order_created", "order placed, cash on delivery"),
                    ("transfer_details", "how to pay by transfer"),
                    ("payment_failed", "payment failed"),
                    ("refund_succeeded", "refund sent"),
                ],
                max_length=20,
            ),
        ),
        migrations.RunSQL((SQL / "capture_named.sql").read_text(), migrations.RunSQL.noop),
    ]
