"""Gates: small functions that say if a version may take the next step of its rollout, one file each."""
