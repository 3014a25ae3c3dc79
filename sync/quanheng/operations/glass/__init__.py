"""The two sealed accounts that break the glass: made, known, judged."""
