"""The ledger's only way in. Postings join the caller's transaction; closing and folding have their own."""

from __future__ import annotations

from ledger.posting import Posted, post, post_batch, reverse

__all__ = ["Posted", "post", "post_batch", "reverse"]
