"""Frames, authenticates, dispatches; knows nothing of trading."""
