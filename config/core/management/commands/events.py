"""`manage.py events`: look at the outbox and its dead letters, tell events again, requeue or discard."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Q
from django.forms.models import model_to_dict
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from config.core import deadletters, outbox
from config.core.errors import DomainError
from config.core.models import DeadLetter, OutboxEvent, User

REFUSED: Final = 4


class Command(BaseCommand):
    help = (
        "list: events, newest first. show ID: all of one event. replay: tell published events again under their ids. "
        "dead: open dead letters. requeue ID, discard ID: decide one. Exit codes: 0 done, 4 refused."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON lines")
        verbs = parser.add_subparsers(dest="verb", required=True)
        for verb, words in (("list", "events, newest first"), ("replay", "tell published events again")):
            door = verbs.add_parser(verb, help=words)
            door.add_argument("--id", help="one event")
            door.add_argument("--type", help="of this type, such as payment.completed")
            door.add_argument("--key", help="of this key, such as an order id")
            door.add_argument("--since", type=_moment, help="that happened at or after, ISO 8601 with a time zone")
            door.add_argument("--until", type=_moment, help="that happened before")
            if verb == "list":
                door.add_argument("--unpublished", action="store_true", help="only those still to be told")
                door.add_argument("--limit", type=int, default=50)
            else:
                _add_person(door)
        verbs.add_parser("show", help="one event with its data").add_argument("event_id")
        dead = verbs.add_parser("dead", help="open dead letters, newest first")
        dead.add_argument("--source", help="outbox, consumer, approval ...")
        dead.add_argument("--limit", type=int, default=50)
        for verb, words in (("requeue", "take a dead letter up again"), ("discard", "a dead letter is not needed")):
            door = verbs.add_parser(verb, help=words)
            door.add_argument("dead_letter_id")
            _add_person(door)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['verb']}")(options)
        except DomainError as error:
            raise CommandError(error.message, returncode=REFUSED) from None

    def _list(self, options: dict[str, Any]) -> None:
        which = _which(options)
        if options["unpublished"]:
            which &= Q(published_at=None)
        names = (
            "event_id",
            "type",
            "key",
            "sequence",
            "occurred_at",
            "published_at",
            "partition",
            "offset",
            "attempts",
        )
        rows = OutboxEvent.objects.filter(which).order_by("-position").values(*names)[: options["limit"]]
        self._print(rows, options)

    def _show(self, options: dict[str, Any]) -> None:
        event = OutboxEvent.objects.filter(event_id=options["event_id"]).first()
        if event is None:
            raise CommandError("There is no such event.", returncode=REFUSED)
        self.stdout.write(
            json.dumps(model_to_dict(event) | {"position": event.position}, indent=2, cls=DjangoJSONEncoder)
        )

    def _replay(self, options: dict[str, Any]) -> None:
        which = _which(options)
        if not which:
            raise CommandError("Say which: --id, --type, --key, --since or --until.", returncode=REFUSED)
        count = outbox.replay(which=which, actor=_person(options), reason=options["reason"])
        self._print([{"replayed": count}], options)

    def _dead(self, options: dict[str, Any]) -> None:
        letters = DeadLetter.objects.filter(status=DeadLetter.Status.OPEN).order_by("-created_at", "-id")
        if options["source"]:
            letters = letters.filter(source=options["source"])
        names = ("id", "source", "topic", "key", "reference", "attempts", "created_at", "error")
        self._print(letters.values(*names)[: options["limit"]], options)

    def _requeue(self, options: dict[str, Any]) -> None:
        self._decide(deadletters.requeue, options)

    def _discard(self, options: dict[str, Any]) -> None:
        self._decide(deadletters.discard, options)

    def _decide(self, decide: deadletters.Decide, options: dict[str, Any]) -> None:
        letter = decide(
            dead_letter_id=options["dead_letter_id"],
            actor=_person(options),
            reason=options["reason"],
            at=timezone.now(),
        )
        self._print([{"id": letter.pk, "status": letter.status}], options)

    def _print(self, rows: Iterable[dict[str, Any]], options: dict[str, Any]) -> None:
        for row in rows:
            if options["json"]:
                self.stdout.write(json.dumps(row, cls=DjangoJSONEncoder))
            else:
                self.stdout.write(
                    "  ".join(f"{name}={value}" for name, value in row.items() if value not in (None, ""))
                )


def _add_person(parser: CommandParser) -> None:
    parser.add_argument("--actor", required=True, metavar="EMAIL", help="who decides")
    parser.add_argument("--reason", required=True, help="why")


def _person(options: dict[str, Any]) -> User:
    person = User.objects.filter(email__iexact=options["actor"], is_active=True).first()
    if person is None:
        raise CommandError(f"There is no active member of staff {options['actor']}.", returncode=REFUSED)
    return person


def _which(options: dict[str, Any]) -> Q:
    which = Q()
    for option, lookup in (
        ("id", "event_id"), ("type", "type"), ("key", "key"), ("since", "occurred_at__gte"), ("until", "occurred_at__lt")
    ):  # fmt: skip
        if options[option] is not None:
            which &= Q(**{lookup: options[option]})
    return which


def _moment(text: str) -> datetime:
    moment = parse_datetime(text)
    if moment is None or moment.tzinfo is None:
        raise ValueError(text)
    return moment
