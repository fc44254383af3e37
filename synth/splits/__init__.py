"""Density arms, support splits and their certificates."""
