"""Frozen values that every room speaks in. No I/O, no libraries beyond the standard one."""
