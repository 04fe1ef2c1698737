"""MoMo's side, faked: simulator.py is what the server names, the rest is what it is made of."""
