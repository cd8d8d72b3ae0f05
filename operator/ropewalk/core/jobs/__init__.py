"""Jobs of a Pipeline or a ModelDeployment alike: how one is made, what it waits for, and what became of it."""
