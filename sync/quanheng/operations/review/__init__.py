"""The monthly review: lists for each county, their answers, and what follows from them (S11, E8, J9)."""
