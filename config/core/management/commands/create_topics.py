"""`manage.py create_topics`: make the topics of the manifest that are missing."""

from __future__ import annotations

import json
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.core import kafka

UNREACHABLE = 6
ANSWER_SECONDS: Final = 10.0


class Command(BaseCommand):
    help = (
        "Makes the topics we write and read, aliases and dead letters included; those that exist stay as they are. "
        "Exit codes: 0 all there, 6 the brokers are away or refused some."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--partitions", type=int, default=6, help="partitions of a new topic (default 6)")
        parser.add_argument("--replication", type=int, default=-1, help="copies of each (default: the brokers' own)")
        parser.add_argument("--dry-run", action="store_true", help="only say which are missing")
        parser.add_argument("--json", action="store_true", help="print the outcome of each topic as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        admin = AdminClient(kafka.common_options())
        try:
            existing = set(admin.list_topics(timeout=ANSWER_SECONDS).topics)
        except KafkaException as error:
            raise CommandError(f"The brokers do not answer: {error.args[0].str()}", returncode=UNREACHABLE) from None
        missing = [name for name in kafka.all_topics() if name not in existing]
        outcome = {name: "exists" for name in kafka.all_topics() if name in existing}
        if options["dry_run"]:
            outcome |= dict.fromkeys(missing, "missing")
        elif missing:
            outcome |= _create(admin, missing, options["partitions"], options["replication"])
        self._print(outcome, as_json=options["json"])
        refused = [name for name, word in outcome.items() if word not in ("exists", "created", "missing")]
        if refused:
            raise CommandError(f"{len(refused)} topics could not be made.", returncode=UNREACHABLE)

    def _print(self, outcome: dict[str, str], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(outcome))
            return
        for name, word in outcome.items():
            self.stdout.write(f"{word:10} {name}")


def _create(admin: AdminClient, names: list[str], partitions: int, replication: int) -> dict[str, str]:
    topics = [NewTopic(name, num_partitions=partitions, replication_factor=replication) for name in names]
    outcome = {}
    for name, future in admin.create_topics(topics, request_timeout=ANSWER_SECONDS).items():
        try:
            future.result()
            outcome[name] = "created"
        except KafkaException as error:
            outcome[name] = _after_refusal(admin, name, error.args[0])
    return outcome


def _after_refusal(admin: AdminClient, name: str, error: KafkaError) -> str:
    """Another process may have been first; brokers without a controller (a mock cluster) make topics when asked."""
    if error.code() == KafkaError.TOPIC_ALREADY_EXISTS:
        return "exists"
    if error.code() == KafkaError._TIMED_OUT:
        found = admin.list_topics(name, timeout=5).topics.get(name)
        if found is not None and found.error is None and found.partitions:
            return "created"
    return str(error.str())
