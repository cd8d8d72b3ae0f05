"""The status of a ModelDeployment: the stored document, its summary, and the Events that follow from a change."""
