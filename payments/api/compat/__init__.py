"""Paths of the reference systems whose shapes are not ours: translate, call the same services, translate back."""
