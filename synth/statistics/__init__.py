"""Estimators, intervals, tests and laws: pure functions of arrays.

Letters: R splits, S training seeds, I items (tasks), G clusters of items, n
samples a task, U independent units (splits, or seeds where there is one split),
B resamples, K strata, P parameters, N observations.
"""
