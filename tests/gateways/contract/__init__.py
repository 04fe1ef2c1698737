"""What every gateway owes us, over real HTTP against its fake provider.

One class per subject; a gateway's own test module says which it is bound by and overwrites a test only where the
provider's document says otherwise, with the reason in the test's docstring.
"""
