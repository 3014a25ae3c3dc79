"""The ledger: an append-only chain of what was done, whose heads are signed (decision 22)."""
