from django.db import migrations

from config.office import roles


class Migration(migrations.Migration):
    """Operations keep webhook endpoints; whoever sees payments sees who was told of them."""

    dependencies = [("office", "0006_roles_of_retention"), ("payments", "0016_webhooks")]
    operations = [migrations.RunPython(roles.make, migrations.RunPython.noop)]
