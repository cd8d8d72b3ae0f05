"""The child objects of a ModelDeployment: their bodies, and the writes that correct them."""
