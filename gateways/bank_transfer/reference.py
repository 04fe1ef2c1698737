"""The reference a payer writes into a bank transfer: ten unmistakable characters and a check character.

The alphabet has no 0, O, 1, I and L. It has 31 characters, a prime, and each place its own weight: so the sum catches
every single wrong character and every two characters that changed places.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Final

ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
BODY: Final = 10
LENGTH: Final = BODY + 1
SPACE: Final = len(ALPHABET) ** BODY
"""How many references there are: 8 * 10^14, so that two alike are a matter of millions of millions of payments."""
LONGEST_TEXT: Final = 1000
_VALUE: Final = {character: value for value, character in enumerate(ALPHABET)}


def make(number: int) -> str:
    """The reference of a 128-bit number: always the same for the same one."""
    rest = int.from_bytes(hashlib.sha256(number.to_bytes(16, "big")).digest()) % SPACE
    body = ""
    for _ in range(BODY):
        rest, value = divmod(rest, len(ALPHABET))
        body += ALPHABET[value]
    return body + check_character(body)


def check_character(body: str) -> str:
    """The last character: the sum of place times value over the whole reference is then a multiple of 31."""
    total = sum(place * _VALUE[character] for place, character in enumerate(body, start=1))
    # LENGTH times the last value makes up for the rest; 31 is prime, so LENGTH has an inverse.
    return ALPHABET[-total * pow(LENGTH, -1, len(ALPHABET)) % len(ALPHABET)]


def is_valid(text: str) -> bool:
    """Whether this is a reference as make() writes them."""
    return (
        len(text) == LENGTH
        and all(character in _VALUE for character in text)
        and check_character(text[:BODY]) == text[BODY]
    )


def find_references(text: str) -> tuple[str, ...]:
    """Every valid reference that a bank's description may hold, most likely first: whole words, then pieces.

    Banks change case, drop accents, add numbers in front and behind, and break long words. One in 31 pieces of eleven
    fitting characters is valid by chance, so what is found must still be looked up.
    """
    plain = _bare(text[:LONGEST_TEXT])
    words = re.split(r"[^A-Z0-9]+", plain)
    joined = "".join(words)
    pieces = (joined[start : start + LENGTH] for start in range(len(joined) - LENGTH + 1))
    return tuple(dict.fromkeys(one for one in (*words, *pieces) if is_valid(one)))


def find_reference(text: str) -> str:
    """The reference that stands in a text as a word of its own; "" where there is none, or more than one."""
    words = {one for one in re.split(r"[^A-Z0-9]+", _bare(text[:LONGEST_TEXT])) if is_valid(one)}
    return words.pop() if len(words) == 1 else ""


def _bare(text: str) -> str:
    """Upper case without accents: Đ is D, ắ is A."""
    folded = unicodedata.normalize("NFKD", text.upper().replace("Đ", "D"))
    return "".join(character for character in folded if not unicodedata.combining(character))
