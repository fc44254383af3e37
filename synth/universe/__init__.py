"""Enumeration of a grammar into semantic classes."""
