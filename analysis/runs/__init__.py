"""The page of some runs: what it measures, draws and says."""
