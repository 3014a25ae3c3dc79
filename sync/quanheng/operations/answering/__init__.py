"""Questions about people: what they hold and why, what they could be given. Nothing is written."""
