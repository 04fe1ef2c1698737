from django.db import migrations

from config.office import roles


class Migration(migrations.Migration):
    """Auditors may see one-time codes: when, how often tried, never the code."""

    dependencies = [("office", "0003_roles_of_routing"), ("payments", "0010_otp")]
    operations = [migrations.RunPython(roles.make, migrations.RunPython.noop)]
