"""The frozen plan of a run, and the Jobs that it consists of."""
