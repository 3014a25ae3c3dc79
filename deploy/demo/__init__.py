"""``make demo``: real servers, synthetic people, and the commands that an operator would type.

``folder`` knows what is kept where, ``servers`` starts and stops, ``issue`` writes what the sources
say, ``commands`` runs ``quanheng``, ``samples`` prepares a few accounts to log in with, ``summary``
tells what came of it. ``walk`` goes through them.
"""
