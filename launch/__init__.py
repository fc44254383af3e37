"""Starts runs; knows recipes and directories, never training settings."""
