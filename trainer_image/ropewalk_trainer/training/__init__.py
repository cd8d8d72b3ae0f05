"""Training: hyperparameters, the training loop, and its result."""
