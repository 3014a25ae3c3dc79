"""Telling people what happened: a port, three ways of telling, and the words for it."""
