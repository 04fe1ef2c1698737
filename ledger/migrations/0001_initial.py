"""The ledger's tables and guards, written in SQL; Django only learns what the rows look like."""

import django.db.models.deletion
from django.db import migrations, models

import ledger.fields
from ledger import sql

TABLES = [
    sql.load("tables"),
    sql.load("guards"),
    sql.load("post"),
    sql.load("holds"),
    sql.load("fold"),
    sql.load("read"),
]

STATE = [
    migrations.CreateModel(
        name="Account",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("code", models.TextField(verbose_name="code")),
            (
                "kind",
                models.CharField(
                    choices=[("A", "asset"), ("L", "liability"), ("R", "revenue"), ("E", "expense"), ("Q", "position")],
                    max_length=1,
                    verbose_name="kind",
                ),
            ),
            ("currency", models.CharField(max_length=3, verbose_name="currency")),
            (
                "mode",
                models.CharField(choices=[("H", "insert-only"), ("S", "strict")], max_length=1, verbose_name="mode"),
            ),
            ("owner_type", models.TextField(blank=True, default="", verbose_name="owner type")),
            ("owner_id", models.TextField(blank=True, default="", verbose_name="owner")),
            ("opened_at", models.DateTimeField(verbose_name="opened at")),
            ("closed_at", models.DateTimeField(blank=True, null=True, verbose_name="closed at")),
        ],
        options={
            "verbose_name": "account",
            "verbose_name_plural": "accounts",
            "db_table": "ledger_account",
        },
    ),
    migrations.CreateModel(
        name="Horizon",
        fields=[
            ("id", models.SmallIntegerField(primary_key=True, serialize=False)),
            ("upto", ledger.fields.TransactionIdField()),
            ("system_identifier", models.BigIntegerField()),
            ("folded_at", models.DateTimeField()),
        ],
        options={
            "db_table": "ledger_horizon",
        },
    ),
    migrations.CreateModel(
        name="Period",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("starts_on", models.DateField(verbose_name="starts on")),
            ("ends_on", models.DateField(verbose_name="ends on")),
            (
                "state",
                models.CharField(
                    choices=[("open", "open"), ("closing", "closing"), ("closed", "closed")],
                    default="open",
                    max_length=8,
                    verbose_name="state",
                ),
            ),
            ("closing_by", models.TextField(default="", verbose_name="closed by")),
            ("closed_at", models.DateTimeField(null=True, verbose_name="closed at")),
            ("horizon", ledger.fields.TransactionIdField(null=True)),
            ("totals", models.JSONField(null=True, verbose_name="trial balance")),
        ],
        options={
            "verbose_name": "period",
            "verbose_name_plural": "periods",
            "db_table": "ledger_period",
        },
    ),
    migrations.CreateModel(
        name="Seal",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("day", models.DateField(unique=True)),
            ("upto", ledger.fields.TransactionIdField()),
            ("leaves", models.BigIntegerField()),
            ("root", models.BinaryField()),
            ("previous_head", models.BinaryField()),
            ("head", models.BinaryField()),
            ("signature", models.BinaryField(null=True)),
            ("sealed_at", models.DateTimeField()),
        ],
        options={
            "db_table": "ledger_seal",
        },
    ),
    migrations.CreateModel(
        name="Balance",
        fields=[
            (
                "account",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.PROTECT,
                    primary_key=True,
                    related_name="balance",
                    serialize=False,
                    to="ledger.account",
                ),
            ),
            ("bal", models.BigIntegerField()),
            ("seq", models.BigIntegerField()),
            ("last_at", models.DateTimeField()),
            ("hold_debit", models.BigIntegerField()),
            ("hold_credit", models.BigIntegerField()),
            ("min_bal", models.BigIntegerField()),
            ("max_bal", models.BigIntegerField()),
        ],
        options={
            "verbose_name": "balance",
            "verbose_name_plural": "balances",
            "db_table": "ledger_balance",
        },
    ),
    migrations.CreateModel(
        name="Rollup",
        fields=[
            (
                "account",
                models.OneToOneField(
                    on_delete=django.db.models.deletion.PROTECT,
                    primary_key=True,
                    related_name="rollup",
                    serialize=False,
                    to="ledger.account",
                ),
            ),
            ("debit", models.DecimalField(decimal_places=0, max_digits=30)),
            ("credit", models.DecimalField(decimal_places=0, max_digits=30)),
            ("upto", ledger.fields.TransactionIdField()),
        ],
        options={
            "db_table": "ledger_rollup",
        },
    ),
    migrations.CreateModel(
        name="Hold",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("reference", models.TextField(unique=True, verbose_name="reference")),
            ("side", models.CharField(choices=[("D", "debit"), ("C", "credit")], max_length=1)),
            ("amount_minor", models.BigIntegerField(db_column="amount", verbose_name="amount")),
            ("remaining_minor", models.BigIntegerField(db_column="remaining", verbose_name="remaining")),
            ("placed_at", models.DateTimeField(verbose_name="placed at")),
            (
                "account",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT, related_name="holds", to="ledger.account"
                ),
            ),
        ],
        options={
            "verbose_name": "hold",
            "verbose_name_plural": "holds",
            "db_table": "ledger_hold",
        },
    ),
    migrations.CreateModel(
        name="HoldEvent",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            (
                "kind",
                models.CharField(
                    choices=[("placed", "placed"), ("released", "released"), ("consumed", "consumed")], max_length=8
                ),
            ),
            ("amount_minor", models.BigIntegerField(db_column="amount", verbose_name="amount")),
            ("journal_reference", models.TextField(default="")),
            ("actor", models.TextField()),
            ("reason", models.TextField(default="")),
            ("at", models.DateTimeField()),
            (
                "hold",
                models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="events", to="ledger.hold"),
            ),
        ],
        options={
            "db_table": "ledger_hold_event",
        },
    ),
    migrations.CreateModel(
        name="JournalEntry",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("reference", models.TextField(unique=True, verbose_name="reference")),
            ("request_hash", models.BinaryField()),
            ("event", models.TextField(verbose_name="event")),
            ("subject", models.TextField(default="", verbose_name="subject")),
            ("order_ref", models.TextField(default="", verbose_name="order")),
            ("line_count", models.SmallIntegerField(db_column="lines", verbose_name="lines")),
            ("effective_on", models.DateField(verbose_name="effective on")),
            ("booked_at", models.DateTimeField(verbose_name="booked at")),
            ("xid", ledger.fields.TransactionIdField(editable=False)),
            ("actor", models.TextField(verbose_name="actor")),
            ("reason", models.TextField(default="", verbose_name="reason")),
            ("meta", models.JSONField(null=True, verbose_name="details")),
            (
                "reverses",
                models.OneToOneField(
                    db_constraint=False,
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="reversed_by",
                    to="ledger.journalentry",
                    verbose_name="reverses",
                ),
            ),
        ],
        options={
            "verbose_name": "journal",
            "verbose_name_plural": "journals",
            "db_table": "ledger_journal",
        },
    ),
    migrations.CreateModel(
        name="PeriodBalance",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("basis", models.CharField(choices=[("E", "effective date"), ("B", "booking time")], max_length=1)),
            ("grain", models.CharField(max_length=1)),
            ("start", models.DateTimeField()),
            ("debit", models.DecimalField(decimal_places=0, max_digits=30)),
            ("credit", models.DecimalField(decimal_places=0, max_digits=30)),
            (
                "account",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT, related_name="period_balances", to="ledger.account"
                ),
            ),
        ],
        options={
            "db_table": "ledger_period_balance",
        },
    ),
    migrations.CreateModel(
        name="Posting",
        fields=[
            ("id", models.BigIntegerField(editable=False, primary_key=True, serialize=False)),
            ("line", models.SmallIntegerField(verbose_name="line")),
            ("amount_minor", models.BigIntegerField(db_column="amount", verbose_name="amount")),
            ("currency", models.CharField(max_length=3, verbose_name="currency")),
            (
                "mode",
                models.CharField(choices=[("H", "insert-only"), ("S", "strict")], max_length=1, verbose_name="mode"),
            ),
            ("seq", models.BigIntegerField(null=True)),
            ("prev_seq", models.BigIntegerField(null=True)),
            ("prev_bal", models.BigIntegerField(null=True)),
            ("bal_after", models.BigIntegerField(null=True)),
            ("effective_on", models.DateField(verbose_name="effective on")),
            ("booked_at", models.DateTimeField(verbose_name="booked at")),
            ("xid", ledger.fields.TransactionIdField(editable=False)),
            (
                "account",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="lines",
                    to="ledger.account",
                ),
            ),
            (
                "journal",
                models.ForeignKey(
                    db_constraint=False,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to="ledger.journalentry",
                ),
            ),
        ],
        options={
            "verbose_name": "line",
            "verbose_name_plural": "lines",
            "db_table": "ledger_line",
        },
    ),
    migrations.CreateModel(
        name="SealLeaf",
        fields=[
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("position", models.BigIntegerField()),
            ("kind", models.CharField(max_length=8)),
            ("object_id", models.TextField()),
            ("hash", models.BinaryField()),
            (
                "seal",
                models.ForeignKey(
                    on_delete=django.db.models.deletion.PROTECT, related_name="entries", to="ledger.seal"
                ),
            ),
        ],
        options={
            "db_table": "ledger_seal_leaf",
        },
    ),
]


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [migrations.SeparateDatabaseAndState(database_operations=TABLES, state_operations=STATE)]
