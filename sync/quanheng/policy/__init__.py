"""Policy packs: what a regulation says, as data, and the judge of it.

``schema`` fixes the files, ``pack`` reads them into ``contents``, ``lint`` proves that they hold together,
``stacking`` puts several into one realm. ``compiling`` makes ``rules`` of them, with the ``console_roles``
of administrators' posts; ``effective`` says what somebody holds, ``judge`` what that breaks, ``shortages``
what is missing.
"""
