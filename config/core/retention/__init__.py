"""Retention: what may go when it is old, for how long it is kept, and the nightly run that takes it away.

Each app registers its own rules (`registry.Rule`) and names what it keeps for ever; staff may lengthen a rule, or
shorten it down to its least (`policies`); `purge` does the work in small transactions.
"""
