"""One measurement at hand: its size, its clocks, and where it says how far it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from config.office.bench.result import Measured, Round
from config.office.bench.server import ServerClock, execute, refuse_unless_durable

Work = Callable[[int], Measured]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured. `rows` and `clients` of 0 mean what the case is used to."""

    rounds: int = 5
    seconds: float = 10.0
    clients: int = 0
    rows: int = 0
    scale: int = 50
    rate: float = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What every case is given."""

    size: Size
    folder: Path
    binaries: Path
    port: int
    clock: ServerClock
    on_step: Callable[[str, int, int], None]

    def alternate(self, first: Work, second: Work, *, what: str) -> list[Round]:
        """Both kinds of work, side by side in time and changing places, so that a busy moment hits both.

        Raises NotDurable before a round on a server that may forget commits.
        """
        rounds = []
        settle()
        for number in range(self.size.rounds):
            refuse_unless_durable()
            self.on_step(what, number, self.size.rounds)
            if number % 2:
                case = second(number)
                rounds.append(Round(first(number), case))
            else:
                yardstick = first(number)
                rounds.append(Round(yardstick, second(number)))
        self.on_step(what, self.size.rounds, self.size.rounds)
        return rounds

    def repeat(self, work: Work, *, what: str) -> Sequence[Measured]:
        """One kind of work, round after round. Raises NotDurable as alternate() does."""
        done = []
        settle()
        for number in range(self.size.rounds):
            refuse_unless_durable()
            self.on_step(what, number, self.size.rounds)
            done.append(work(number))
        self.on_step(what, self.size.rounds, self.size.rounds)
        return done


def settle() -> None:
    """Let the server write out what was loaded, so that the first round does not pay for it."""
    execute("CHECKPOINT")
