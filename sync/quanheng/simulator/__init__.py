"""A card platform to try things out with: the national channel as far as it is known.

``platform`` is the endpoint that the bridge speaks with, ``codes`` and ``people`` what it knows, ``faults``
what it may do wrong, ``control`` the REST control of tests and demos, ``phone`` the page that stands for the
card's app. Everything is in memory, of one process, and its people are nobody.
"""
