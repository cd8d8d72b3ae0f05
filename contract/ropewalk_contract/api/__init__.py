"""The two resources of the group `ropewalk.dev`: frozen models, their conditions, and the CRDs made from them."""
