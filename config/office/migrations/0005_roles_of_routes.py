from django.db import migrations

from config.office import roles


class Migration(migrations.Migration):
    """Operations and treasury change routing rules; operations makes payment methods."""

    dependencies = [("office", "0004_roles_of_otp"), ("payments", "0011_heard")]
    operations = [migrations.RunPython(roles.make, migrations.RunPython.noop)]
