"""A small subsystem: what a developer of a real one needs of quanheng's realm, and nothing else.

It is a relying party of OpenID Connect: ``settings`` says which client it is, ``provider`` speaks with
Keycloak, ``tokens`` judges what Keycloak signed, ``sessions`` keeps who is logged in, ``person`` reads
duties and permissions out of claims, ``app`` shows them. For demos and tests.
"""
