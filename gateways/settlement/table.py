"""Reads any CSV or XLSX table of money movements by a ColumnMap: gateways' settlement files, banks' statements.

What is not surely understood is refused with its row and column. A file read wrong is worse than one not read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, TypeVar

from config.core.money import Money
from gateways.settlement import cells
from gateways.settlement.columns import HEADINGS, ColumnMap, plain
from gateways.settlement.lines import LineKind, SettlementFile, SettlementLine, SettlementUnreadable
from gateways.settlement.sheet import FORMULA, Cell, Row, sheets

__all__ = ["ColumnMap", "read_table"]

Read = TypeVar("Read")
HEADER_WITHIN: Final = 50
"""The header is looked for in so many rows: titles, addresses and balances stand above it."""
REDUCING: Final = frozenset({LineKind.REFUND, LineKind.DISPUTE, LineKind.FEE, LineKind.PAYOUT})
WITHOUT_ID: Final = frozenset({LineKind.FEE, LineKind.ADJUSTMENT, LineKind.PAYOUT, LineKind.RESERVE})


def chosen(settings: Mapping[str, object], *, default: ColumnMap) -> ColumnMap:
    """An account's own map, or its gateway's default. Raises ValueError naming the setting."""
    try:
        return ColumnMap.from_settings(settings) if settings else default
    except ValueError as error:
        raise ValueError(f"settlement_columns: {error}") from error


def read_table(content: bytes, *, name: str, columns: ColumnMap, currency: str) -> SettlementFile:
    """The lines of a table, in its order. Raises SettlementUnreadable naming row and column.

    `number` is what the `number` column says on every line, else "" (the caller knows the file by its hash). A row of
    sums must agree with the lines above it.
    """
    table = _find_table(content, name=name, columns=columns, currency=currency)
    lines: list[SettlementLine] = []
    totals: list[_Row] = []
    numbers: set[str] = set()
    left_out = 0
    for row_number, row_cells in table.rows:
        row = _Row(table, row_number, row_cells)
        if row.is_empty:
            continue
        if row.is_total:
            totals.append(row)
            continue
        line = row.line()
        if line is None:
            left_out += 1
            continue
        lines.append(line)
        numbers.add(row.text("number"))
    if len(numbers) > 1:
        raise SettlementUnreadable(f"{name} holds several payouts: {', '.join(sorted(numbers))}.", column="number")
    if totals and not left_out:
        _check_total(totals[-1], lines)
    return SettlementFile(number=numbers.pop() if numbers else "", lines=tuple(lines))


@dataclass(frozen=True, slots=True)
class _Table:
    columns: ColumnMap
    currency: str
    places: Mapping[str, int]  # heading field -> index of its column
    titles: list[str]
    rows: list[Row]


def _find_table(content: bytes, *, name: str, columns: ColumnMap, currency: str) -> _Table:
    """The header row, by the delimiter and on the sheet that have it whole."""
    wanted = [heading for heading in HEADINGS if columns.names(heading)]
    least = [heading for heading in wanted if heading not in columns.optional]
    for rows in sheets(content, name=name):
        for index, (number, row_cells) in enumerate(rows[:HEADER_WITHIN]):
            titles = [str(cell) if isinstance(cell, str | int) else "" for cell in row_cells]
            places = _places(titles, columns, wanted)
            missing = [one for one in wanted if one not in places and one not in columns.optional]
            if not missing and places:
                _refuse_twins(titles, places, row=number)
                return _Table(columns, currency, places, titles, rows[index + 1 :])
            if len(missing) < len(least):
                least = missing
    names = "; ".join(" or ".join(columns.names(heading)) for heading in least)
    raise SettlementUnreadable(f"{name} has no header row with all its columns. Not found: {names}.", column=names)


def _places(titles: list[str], columns: ColumnMap, wanted: list[str]) -> dict[str, int]:
    said = [plain(title) for title in titles]
    found = {}
    for heading in wanted:
        name = next((plain(name) for name in columns.names(heading) if plain(name) in said), None)
        if name is not None:
            found[heading] = said.index(name)
    return found


def _refuse_twins(titles: list[str], places: Mapping[str, int], *, row: int) -> None:
    said = [plain(title) for title in titles]
    for place in places.values():
        if said.count(said[place]) > 1:
            title = titles[place].strip()
            raise SettlementUnreadable(f"Row {row}: the column {title} is there twice.", row=row, column=title)


@dataclass(frozen=True, slots=True)
class _Row:
    """One row under a header, and what it means."""

    table: _Table
    number: int
    cells: list[Cell]

    @property
    def is_empty(self) -> bool:
        return all(cells.is_blank(cell) for cell in self.cells)

    @property
    def is_total(self) -> bool:
        """A row of sums: it begins with such a word and has no id and no time of its own."""
        words = {plain(word) for word in self.table.columns.total_words}

        def says_total(cell: Cell) -> bool:
            return isinstance(cell, str) and plain(cell).rstrip(" :") in words

        first = next(cell for cell in self.cells if not cells.is_blank(cell))
        own = (self._raw_cell(name) for name in ("reference", "gateway_transaction_id", "time"))
        return says_total(first) and all(cells.is_blank(cell) or says_total(cell) for cell in own)

    def line(self) -> SettlementLine | None:
        """The movement of this row; None where the map says that it does not count."""
        self._refuse_loose_ends()
        if not self._counts():
            return None
        kind = self._kind()
        if kind is None and "kind" in self.table.places:
            return None
        if self.has("currency") and self.text("currency").upper() != self.table.currency:
            raise self.refusal("currency", f"is {self.text('currency')[:10]!r}, not {self.table.currency}")
        gross = self._gross(kind)
        kind = kind or (LineKind.PAYMENT if gross.minor >= 0 else LineKind.REFUND)
        fee, net = self._fee_and_net(gross)
        reference, theirs, description = map(self.text, ("reference", "gateway_transaction_id", "description"))
        if kind not in WITHOUT_ID and not (reference or theirs or description):
            wanted = ("gateway_transaction_id", "reference", "description")
            raise self.refusal(next(one for one in wanted if one in self.table.places), "is empty")
        return SettlementLine(
            row=self.number,
            kind=kind,
            gross=gross,
            fee=fee,
            net=net,
            reference=reference,
            gateway_transaction_id=theirs,
            occurred_at=self._moment(),
            settled_on=self._settled_on(),
            description=description,
            raw=self._as_written(),
        )

    def has(self, heading: str) -> bool:
        """Whether the file has this column and the row a value in it."""
        return not cells.is_blank(self._raw_cell(heading))

    def text(self, heading: str) -> str:
        """The cell as text."""
        return self._read(heading, lambda cell: cells.text_of(cell))

    def amount(self, heading: str) -> Money:
        """The cell as money, nothing where it is empty."""
        columns, currency = self.table.columns, self.table.currency
        return self._read(heading, lambda cell: cells.money_of(cell, columns=columns, currency=currency))

    def refusal(self, heading: str, problem: str) -> SettlementUnreadable:
        """What is wrong with one cell, and where it is."""
        place = self.table.places.get(heading)
        title = self.table.titles[place].strip() if place is not None else heading
        return SettlementUnreadable(f"Row {self.number}, column {title}: {problem}.", row=self.number, column=title)

    def _raw_cell(self, heading: str) -> Cell:
        place = self.table.places.get(heading)
        return None if place is None or place >= len(self.cells) else self.cells[place]

    def _read(self, heading: str, reader: Callable[[Cell], Read]) -> Read:
        try:
            return reader(self._raw_cell(heading))
        except (ValueError, OverflowError) as error:  # the year 1 in Vietnam began in the year 0 of UTC
            raise self.refusal(heading, str(error)) from error

    def _refuse_loose_ends(self) -> None:
        if not all(cells.is_blank(cell) for cell in self.cells[len(self.table.titles) :]):
            raise SettlementUnreadable(
                f"Row {self.number} has more cells than the header: is a sign in it not quoted?", row=self.number
            )

    def _counts(self) -> bool:
        columns = self.table.columns
        if not columns.statuses or "status" not in self.table.places:
            return True
        said = plain(self.text("status"))
        if said in map(plain, columns.statuses):
            return True
        if said in map(plain, columns.ignored_statuses):
            return False
        raise self.refusal("status", f"is an unknown word: {self.text('status')[:40]!r}")

    def _kind(self) -> LineKind | None:
        if "kind" not in self.table.places:
            return None
        try:
            return self.table.columns.kind_of(self.text("kind"))
        except KeyError:
            raise self.refusal("kind", f"is an unknown word: {self.text('kind')[:40]!r}") from None

    def _gross(self, kind: LineKind | None) -> Money:
        if self.table.columns.gross:
            if not self.has("gross"):
                raise self.refusal("gross", "is empty")
            written = self.amount("gross")
        else:
            credit, debit = self.amount("credit"), self.amount("debit")
            if bool(credit) == bool(debit):
                raise self.refusal("credit", "must hold an amount, or else the debit column, and not both")
            written = credit or Money(-abs(debit.minor), debit.currency)  # banks write debits either way
        if self.table.columns.signs == "signed" or kind is None:
            return written
        if written.minor < 0 and kind is not LineKind.ADJUSTMENT:
            raise self.refusal("gross", "is negative, though the kind decides the sign")
        return -written if kind in REDUCING else written

    def _fee_and_net(self, gross: Money) -> tuple[Money, Money]:
        """gross - fee = net, of which the file may leave out one."""
        fee = self.amount("fee") + self.amount("fee_tax")
        fee = -fee if self.table.columns.fee_sign < 0 else fee
        if not self.has("net"):
            return fee, gross - fee
        net = self.amount("net")
        if self.table.columns.signs == "by_kind" and gross.minor < 0:
            net = -net
        if "fee" not in self.table.places:
            return gross - net, net
        if gross - fee != net:
            raise self.refusal("net", f"is not gross less fee ({gross} - {fee})")
        return fee, net

    def _moment(self) -> datetime | None:
        if not self.has("time"):
            return None
        columns, clock = self.table.columns, self._raw_cell("clock")
        return self._read("time", lambda cell: cells.moment_of(cell, clock, columns=columns))

    def _settled_on(self) -> date | None:
        if not self.has("settled_on"):
            return None
        return self._read("settled_on", lambda cell: cells.day_of(cell, columns=self.table.columns))

    def _as_written(self) -> dict[str, str]:
        """The row by its header's names, short enough to keep."""
        return {
            title.strip()[:60]: ("(formula)" if cell is FORMULA else str(cell))[:250]
            for title, cell in zip(self.table.titles, self.cells, strict=False)
            if title.strip() and not cells.is_blank(cell)
        }


def _check_total(total: _Row, lines: list[SettlementLine]) -> None:
    """The file's own sums agree with its lines, column by column, where it has them in figures."""
    if total.table.columns.signs != "signed":
        return
    sums = {
        "gross": sum(line.gross.minor for line in lines),
        "net": sum(line.net.minor for line in lines),
        "credit": sum(line.gross.minor for line in lines if line.gross.minor > 0),
    }
    for heading, expected in sums.items():
        is_figure = total.has(heading) and total._raw_cell(heading) is not FORMULA
        if is_figure and total.amount(heading).minor != expected:
            raise total.refusal(heading, f"says {total.amount(heading)}, but the lines add up to another sum")
