"""Publishing: the SavedModel, its compiled forms, and the proof that they are equal."""
