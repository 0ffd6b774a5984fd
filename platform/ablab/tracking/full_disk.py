"""Whether an error means that a disk is full, however deep it lies and whoever worded it."""

from __future__ import annotations

import errno
import re

FULL_DISK = re.compile(r"no space left|disk is full|disk quota exceeded", re.IGNORECASE)
"""How systems and databases word it."""


def is_full_disk(error: BaseException) -> bool:
    """Whether a full disk or a used-up quota is the cause, or a cause of the cause.

    >>> is_full_disk(OSError(errno.ENOSPC, "No space left on device")), is_full_disk(OSError(errno.EIO, "x"))
    (True, False)
    """
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        if isinstance(found, OSError) and found.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if FULL_DISK.search(str(found)):
            return True
        found = found.__cause__ or found.__context__
    return False
