"""The rollout of a version, from Pending to its ends Live and RolledBack.

`phase` is called by the plan and calls `machine`, which runs the stored step of `steps/`; `step` has what a step is
given and what it returns, `changes` what steps do to the state.
"""
