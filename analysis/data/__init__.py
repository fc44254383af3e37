"""Pictures of universe, spaces and splits: the atlas."""
