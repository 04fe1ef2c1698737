"""Which column of a settlement or bank file means what, as data: a new bank or gateway needs no code."""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from zoneinfo import ZoneInfo

from gateways.settlement.lines import LineKind

HEADINGS: Final = (
    "reference",
    "gateway_transaction_id",
    "gross",
    "credit",
    "debit",
    "fee",
    "fee_tax",
    "net",
    "kind",
    "status",
    "currency",
    "time",
    "clock",
    "settled_on",
    "description",
    "number",
)
"""Fields of a ColumnMap that name columns."""
EPOCH_FORMATS: Final = ("epoch_seconds", "epoch_milliseconds")
SIGNS: Final = ("signed", "by_kind")
FACTORS: Final = {1: 0, 10: 1, 100: 2, 1000: 3}


def plain(text: str) -> str:
    """A heading or word as it is compared: case, spaces and the way accents are encoded do not matter."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnMap:
    """How to read one provider's table. Each heading field holds the names its column may have; empty: no such column.

    `gross` is one column of amounts; a bank's statement has `credit` and `debit` instead. `fee_tax` is added to `fee`.
    `clock` is the time of day where it stands in a column of its own, beside the day in `time`. Columns in `optional`
    may be missing from a file; all others that are named must be there.

    `kinds` says which words in the kind column mean which LineKind; without that column positive amounts are payments
    and negative ones refunds. `signs`: "signed" amounts carry their sign as our balance feels them; "by_kind" amounts
    are all positive and their kind decides (refunds, fees, disputes, payouts reduce). `fee_sign` is -1 where fees are
    written as negative numbers. Rows whose status is in `statuses` count (all of them where it is empty), those in
    `ignored_statuses` and `ignored_kinds` do not; any other word is refused, as it might mean money. `factor` is what
    amounts were multiplied by. Formats are those of strptime, or epoch_seconds, epoch_milliseconds.
    """

    reference: tuple[str, ...] = ()
    gateway_transaction_id: tuple[str, ...] = ()
    gross: tuple[str, ...] = ()
    credit: tuple[str, ...] = ()
    debit: tuple[str, ...] = ()
    fee: tuple[str, ...] = ()
    fee_tax: tuple[str, ...] = ()
    net: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    currency: tuple[str, ...] = ()
    time: tuple[str, ...] = ()
    clock: tuple[str, ...] = ()
    settled_on: tuple[str, ...] = ()
    description: tuple[str, ...] = ()
    number: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()

    kinds: Mapping[LineKind, tuple[str, ...]] = field(default_factory=dict)
    ignored_kinds: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    ignored_statuses: tuple[str, ...] = ()
    total_words: tuple[str, ...] = ("total", "grand total", "tổng", "tổng cộng")
    decimal: str = "."
    thousands: str = ","
    factor: int = 1
    signs: str = "signed"
    fee_sign: int = 1
    time_formats: tuple[str, ...] = ("%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%Y-%m-%d", "%d/%m/%Y")
    date_formats: tuple[str, ...] = ("%Y-%m-%d", "%d/%m/%Y")
    zone: str = "Asia/Ho_Chi_Minh"

    def __post_init__(self) -> None:
        """Refuse a map that no file can be read by. Raises ValueError naming the field."""
        if bool(self.gross) == bool(self.credit or self.debit):
            raise ValueError("name either a gross column or credit and debit columns")
        if not (self.reference or self.gateway_transaction_id or self.description):
            raise ValueError("name a reference, gateway_transaction_id or description column")
        if (
            self.decimal not in (".", ",")
            or self.thousands not in (".", ",", " ", "'", "")
            or (self.decimal == self.thousands)
        ):
            raise ValueError("decimal must be . or , and thousands another sign")
        if self.factor not in FACTORS:
            raise ValueError("factor must be 1, 10, 100 or 1000")
        if self.signs not in SIGNS:
            raise ValueError("signs must be signed or by_kind")
        if self.signs == "by_kind" and not self.kind:
            raise ValueError("signs by_kind needs a kind column")
        if self.fee_sign not in (1, -1):
            raise ValueError("fee_sign must be 1 or -1")
        if bool(self.kind) != bool(self.kinds):
            raise ValueError("kind and kinds belong together")
        unknown = sorted(set(self.optional) - set(HEADINGS))
        if unknown:
            raise ValueError(f"optional names no column: {', '.join(unknown)}")
        try:
            ZoneInfo(self.zone)
        except (KeyError, ValueError) as error:
            raise ValueError("zone must be a time zone such as Asia/Ho_Chi_Minh") from error

    @classmethod
    def from_settings(cls, settings: Mapping[str, object]) -> ColumnMap:
        """The map written as plain JSON: {"gross": "Amount", "time": ["Time", "Giờ"], "factor": 100, ...}.

        A list of names may be given as one text. Raises ValueError naming the field.
        """
        fields = {one.name: one for one in dataclasses.fields(cls)}
        unknown = sorted(set(settings) - set(fields))
        if unknown:
            raise ValueError(f"unknown: {', '.join(unknown)}")
        values: dict[str, object] = {}
        for name, value in settings.items():
            if name == "kinds":
                values[name] = _kinds(value)
            elif name in ("factor", "fee_sign"):
                if not isinstance(value, int) or isinstance(value, bool):
                    raise ValueError(f"{name} must be a whole number")
                values[name] = value
            elif name in ("decimal", "thousands", "signs", "zone"):
                if not isinstance(value, str):
                    raise ValueError(f"{name} must be text")
                values[name] = value
            else:
                values[name] = _words(value, where=name)
        return cls(**values)  # type: ignore[arg-type]  # each was checked above

    def names(self, heading: str) -> tuple[str, ...]:
        """The names a column may have."""
        found: tuple[str, ...] = getattr(self, heading)
        return found

    def kind_of(self, word: str) -> LineKind | None:
        """What a word in the kind column means, None where it is to be left out. Raises KeyError for another word."""
        said = plain(word)
        for kind, words in self.kinds.items():
            if said in map(plain, words):
                return kind
        if said in map(plain, self.ignored_kinds):
            return None
        raise KeyError(word)


def _words(value: object, *, where: str) -> tuple[str, ...]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        raise ValueError(f"{where} must be text or a list of texts")
    return tuple(item for item in items if item.strip())


def _kinds(value: object) -> dict[LineKind, tuple[str, ...]]:
    if not isinstance(value, Mapping):
        raise ValueError("kinds must be an object of lists of words")
    unknown = sorted(set(map(str, value)) - set(LineKind))
    if unknown:
        raise ValueError(f"kinds has unknown names: {', '.join(unknown)}; there are {', '.join(LineKind)}")
    return {LineKind(name): _words(words, where=f"kinds.{name}") for name, words in value.items()}
