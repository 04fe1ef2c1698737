"""The providers' side, faked over real HTTP: it checks our signatures, shows pay pages, sends signed notifications,
answers queries and refunds, and misbehaves on demand. It shares no code with the adapters: each side signs from the
provider's document, so a mistake in one does not agree with itself in the other.
"""
