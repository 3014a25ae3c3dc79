"""The login page and the waiting.

``routes`` is what a browser asks, ``waiting`` what goes on meanwhile: it asks the card platform about every
code that somebody looks at, and tells the pages (``streams``). ``steps`` takes the single steps of a login,
each in one transaction. ``binding`` ties a login to the browser that began it, ``limits`` and ``address``
count who asks, ``pages`` and ``words`` are what people see, ``shield`` goes around everything.
"""
