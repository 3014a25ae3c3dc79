"""What events tell, decided: who did it, what of it stands, and how long the rest was there. Pure."""
