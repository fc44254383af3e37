"""Reads result files only; draws and tabulates what they say."""
