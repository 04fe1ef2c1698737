"""The chart of accounts: one function per account, the only place where codes, kinds and modes are written.

Source: the table in docs/accounts.md, which a test holds against this module. Insert-only accounts (H) have nothing to
overspend and no row to wait for; strict accounts (S) keep a running balance that the database never lets go below zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import quote

Kind = Literal["A", "L", "R", "E", "Q"]
Mode = Literal["H", "S"]


@dataclass(frozen=True, slots=True)
class AccountRef:
    """An account by its code, whatever the currency; the row per currency is made on first use."""

    code: str
    kind: Kind
    mode: Mode
    owner_type: str = ""
    owner_id: str = ""

    @property
    def is_debit_normal(self) -> bool:
        """Whether a balance is normally a debit: what we own (A) and what we spend (E)."""
        return self.kind in ("A", "E")


FIRST_WORDS: Final = frozenset(
    {"bank", "gw", "cod", "chargeback", "clawback", "vat", "suspense", "escrow", "refund", "shipping", "carrier", "tax"}
    | {"commission", "fee", "promo", "loss", "goodwill", "rounding", "fx"}
)
"""What codes of ours begin with; a shop whose id is one of these words gets its first letter escaped."""


def _word(owner_id: str) -> str:
    """An owner's id as one word of a code: anything but letters, digits, `-`, `_` and `.` is percent-escaped."""
    assert owner_id, "an account's owner has an id"
    return quote(owner_id, safe="").replace("~", "%7E")


def _shop(shop_id: str, word: str) -> str:
    name = _word(shop_id)
    if name in FIRST_WORDS:
        name = f"%{ord(name[0]):02X}{name[1:]}"
    return f"{name}:{word}"


def gateway_clearing(account_code: str) -> AccountRef:
    """Captured by a gateway account and not yet settled; returns to nothing per settlement batch."""
    return AccountRef(f"gw:{_word(account_code)}:clearing", "A", "H", "gateway", account_code)


def gateway_reserve(account_code: str) -> AccountRef:
    """What a gateway keeps back for some time."""
    return AccountRef(f"gw:{_word(account_code)}:reserve", "A", "H", "gateway", account_code)


def bank(name: str) -> AccountRef:
    """A real bank account of ours."""
    return AccountRef(f"bank:{_word(name)}", "A", "H", "bank", name)


def cod_receivable(carrier: str) -> AccountRef:
    """Cash a carrier has collected for us and not yet remitted."""
    return AccountRef(f"cod:{_word(carrier)}:receivable", "A", "H", "carrier", carrier)


def disputed() -> AccountRef:
    """Withdrawn by a gateway for disputes whose outcome is open."""
    return AccountRef("chargeback:disputed", "A", "H")


def clawback(shop_id: str) -> AccountRef:
    """Refunds and lost disputes not yet allocated to the shop's money; nothing at close."""
    return AccountRef(f"clawback:{_word(shop_id)}", "A", "H", "shop", shop_id)


def shop_receivable(shop_id: str) -> AccountRef:
    """What a shop owes us."""
    return AccountRef(_shop(shop_id, "receivable"), "A", "S", "shop", shop_id)


def vat_input() -> AccountRef:
    """VAT on fees that we may deduct."""
    return AccountRef("vat:input", "A", "H")


def suspense_short() -> AccountRef:
    """Money that came short and is not explained yet."""
    return AccountRef("suspense:short", "A", "H")


def suspense_over() -> AccountRef:
    """Money that came unexpectedly and is not explained yet."""
    return AccountRef("suspense:over", "L", "H")


def escrow(shop_id: str) -> AccountRef:
    """Customers' money held for a shop until delivery."""
    return AccountRef(f"escrow:{_word(shop_id)}", "L", "H", "shop", shop_id)


def shop_pending(shop_id: str) -> AccountRef:
    """Delivered, and still in the hold time."""
    return AccountRef(_shop(shop_id, "pending"), "L", "H", "shop", shop_id)


def shop_available(shop_id: str) -> AccountRef:
    """What a shop may be paid."""
    return AccountRef(_shop(shop_id, "available"), "L", "S", "shop", shop_id)


def shop_in_payout(shop_id: str) -> AccountRef:
    """On its way to the shop's bank."""
    return AccountRef(_shop(shop_id, "in_payout"), "L", "S", "shop", shop_id)


def shop_dispute_hold(shop_id: str) -> AccountRef:
    """A shop's money kept while a dispute is open."""
    return AccountRef(_shop(shop_id, "dispute_hold"), "L", "S", "shop", shop_id)


def shop_reserve(shop_id: str) -> AccountRef:
    """A shop's rolling reserve."""
    return AccountRef(_shop(shop_id, "reserve"), "L", "S", "shop", shop_id)


def refund_payable() -> AccountRef:
    """Promised to customers and not yet sent."""
    return AccountRef("refund:payable", "L", "H")


def shipping_held() -> AccountRef:
    """Shipping money of customers until the carrier's invoice."""
    return AccountRef("shipping:held", "L", "H")


def carrier_payable(carrier: str) -> AccountRef:
    """A carrier's invoices we owe."""
    return AccountRef(f"carrier:{_word(carrier)}:payable", "L", "H", "carrier", carrier)


def vat_output() -> AccountRef:
    """VAT on our commission."""
    return AccountRef("vat:output", "L", "H")


def tax_withheld() -> AccountRef:
    """Sellers' tax we withheld and owe to the tax office."""
    return AccountRef("tax:withheld", "L", "H")


def commission() -> AccountRef:
    """Our commission, net of VAT."""
    return AccountRef("commission", "R", "H")


def fee_charged() -> AccountRef:
    """Fees we charge, net of VAT."""
    return AccountRef("fee:charged", "R", "H")


def shipping_margin() -> AccountRef:
    """Shipping money beyond the carrier's invoice."""
    return AccountRef("shipping:margin", "R", "H")


def fee_gateway() -> AccountRef:
    """Fees of gateways."""
    return AccountRef("fee:gateway", "E", "H")


def fee_bank() -> AccountRef:
    """Fees of banks."""
    return AccountRef("fee:bank", "E", "H")


def fee_cod() -> AccountRef:
    """Fees of carriers for collecting cash."""
    return AccountRef("fee:cod", "E", "H")


def fee_chargeback() -> AccountRef:
    """Fees of gateways for disputes."""
    return AccountRef("fee:chargeback", "E", "H")


def promo_site() -> AccountRef:
    """Discounts that the platform pays for."""
    return AccountRef("promo:site", "E", "H")


def shipping_loss() -> AccountRef:
    """Shipping that the platform bears."""
    return AccountRef("shipping:loss", "E", "H")


def loss_chargeback() -> AccountRef:
    """Lost disputes that the platform bears."""
    return AccountRef("loss:chargeback", "E", "H")


def loss_baddebt() -> AccountRef:
    """Debts of shops that were written off."""
    return AccountRef("loss:baddebt", "E", "H")


def goodwill() -> AccountRef:
    """Given to customers without a claim."""
    return AccountRef("goodwill", "E", "H")


def rounding() -> AccountRef:
    """Explained differences of a few units."""
    return AccountRef("rounding", "E", "H")


def fx_position() -> AccountRef:
    """Bridges the currencies of one exchange."""
    return AccountRef("fx:position", "Q", "H")


def fx_gain() -> AccountRef:
    """Gained by exchange rates."""
    return AccountRef("fx:gain", "R", "H")


def fx_loss() -> AccountRef:
    """Lost by exchange rates."""
    return AccountRef("fx:loss", "E", "H")
