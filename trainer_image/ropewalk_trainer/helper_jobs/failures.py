"""Trouble with the store in words: what it is, where, and what helps."""

from __future__ import annotations

import errno

from ropewalk_contract import reasons
from ropewalk_trainer.errors import RunFailure, TryAgain, UserError

_FORBIDDEN = (errno.EACCES, errno.EPERM)
_FULL = (errno.ENOSPC, errno.EDQUOT)


def of_store(error: OSError) -> RunFailure:
    """StoreNotWritable where a person has to change something, else StoreUnavailable, which is worth another try."""
    place = error.filename or "the store"
    if error.errno in _FORBIDDEN:
        return UserError(
            reasons.STORE_NOT_WRITABLE, f"{place}: {error.strerror}; uid and gid 65532 need to read and write it"
        )
    if error.errno == errno.EROFS:
        return UserError(reasons.STORE_NOT_WRITABLE, f"{place}: {error.strerror}; the claim has to be writable")
    if error.errno in _FULL:
        return TryAgain(reasons.STORE_UNAVAILABLE, f"{place}: {error.strerror}; enlarge the claim")
    return TryAgain(reasons.STORE_UNAVAILABLE, f"{place}: {error.strerror or error}; is the volume healthy?")
