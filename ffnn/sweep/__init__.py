"""Sweeps without an account: W&B's own sweep files, searched on this machine or on several.

A file says what to search; `engine` runs its trials as processes of their own, `ledger` keeps what became
of them in a storage that several machines can share, and `samplers` decide what to try next.
"""
