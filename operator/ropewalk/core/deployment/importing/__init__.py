"""The import of a SavedModel that has no Ropewalk manifest, by a helper job."""
