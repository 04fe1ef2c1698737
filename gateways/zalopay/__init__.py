"""ZaloPay: adapter.py is what the registry names, the rest is what it is made of."""
