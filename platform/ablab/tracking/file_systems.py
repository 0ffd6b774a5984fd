"""Which kind of file system a path lies on, and whether machines share it. Knows the mount table only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

MOUNTS = Path("/proc/self/mounts")

_SHARED = frozenset(
    [
        "nfs",
        "nfs3",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "smb",
        "lustre",
        "gpfs",
        "beegfs",
        "fhgfs",
        "ceph",
        "glusterfs",
        "afs",
        "pvfs2",
        "orangefs",
        "panfs",
        "wekafs",
        "gfs2",
        "ocfs2",
        "davfs",
        "ncpfs",
        "coda",
    ]
)
"""Kinds that several machines mount, or that hand locks through a network."""
_LOCAL_FUSE = frozenset(("fuseblk", "fuse.ntfs-3g", "fuse.fuse-overlayfs", "fuse.gocryptfs", "fuse.bindfs"))
"""In user space, over a local disk; every other one (sshfs, s3fs, rclone ...) is taken for remote."""


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a path lies."""

    point: Path
    kind: str
    """As the mount table names it, such as ``ext4`` or ``nfs4``."""

    @property
    def is_network(self) -> bool:
        """Whether SQLite must not be written there: its locks may not hold between machines."""
        return self.kind in _SHARED or (self.kind.startswith("fuse") and self.kind not in _LOCAL_FUSE)


def mount_of(path: Path, table: Path | None = None) -> Mount | None:
    """The mount that ``path``, which need not exist, lies on; None where there is no mount table.

    Of several mounts on one point the last is the one that is seen.
    """
    try:
        lines = (table or MOUNTS).read_text(errors="replace").splitlines()
    except OSError:
        return None
    whole = path.absolute().resolve()
    found: Mount | None = None
    for line in lines:
        fields = line.split()
        if len(fields) < 3:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[1]))
        deeper = found is None or len(point.parts) >= len(found.point.parts)
        if whole.is_relative_to(point) and deeper:
            found = Mount(point, fields[2])
    return found
