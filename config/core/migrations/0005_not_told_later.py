from django.db import migrations

TAKEN = "UPDATE core_outboxevent SET fanned_out_at = now() WHERE fanned_out_at IS NULL"


class Migration(migrations.Migration):
    """What happened before there were webhooks is told to nobody."""

    dependencies = [("core", "0004_retention")]
    operations = [migrations.RunSQL(TAKEN, migrations.RunSQL.noop)]
