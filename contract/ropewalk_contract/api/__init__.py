"""The two resources of the group `ropewalk.dev`: frozen models, conditions, and the generator of the CRDs."""
