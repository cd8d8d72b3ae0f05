"""A SavedModel from elsewhere becomes a version that servers know (designs/0015-imported-models.md)."""
