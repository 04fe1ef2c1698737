"""One line of a diagnosis."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How bad it is. Only PROBLEM makes `doctor` fail; a WARNING is for somebody to think about."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, and what helps if it is not well."""

    part: str
    state: State
    sentence: str
    remedy: str = ""


def ok(part: str, sentence: str) -> Finding:
    """All is well."""
    return Finding(part, State.OK, sentence)


def warning(part: str, sentence: str, remedy: str) -> Finding:
    """It works, and somebody should look."""
    return Finding(part, State.WARNING, sentence, remedy)


def problem(part: str, sentence: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(part, State.PROBLEM, sentence, remedy)
