from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parents[1] / "sql"


class Migration(migrations.Migration):
    """A dispute told by a file gets its number later. Undone, the stricter guard of 0006 stays away."""

    dependencies = [("payments", "0011_heard")]
    operations = [migrations.RunSQL((SQL / "disputes_named.sql").read_text(), migrations.RunSQL.noop)]
