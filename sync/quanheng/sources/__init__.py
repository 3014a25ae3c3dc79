"""Where people and organisations are read: HR feeds and LDAP directories (decisions 2 and 16).

``feed`` and ``ldap`` each give one :class:`~quanheng.model.staff.Reading`; ``rows`` judges single rows
for both, ``settle`` judges the rows of a reading against each other, ``acceptance`` a reading against
the last one.
"""
