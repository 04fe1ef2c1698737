"""A marketplace to look at: staff, shops, methods, and thirty days of payments in every state."""
