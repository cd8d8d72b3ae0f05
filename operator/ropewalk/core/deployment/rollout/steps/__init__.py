"""The steps of a rollout, one transition function each: Pending, Loading, Spreading, Switching.

Live and RolledBack are the ends and have none: there is no candidate then. Shadow and Canary belong between Spreading
and Switching, Baking between Switching and Live; each comes as a file here, a word of `state.Step` and an entry of
`machine.TRANSITIONS`.
"""
