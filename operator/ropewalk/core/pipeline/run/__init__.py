"""A run in flight: its attempts, its stages, its outcome, and the champion that results."""
