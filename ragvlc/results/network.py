"""Folders on network file systems, where a lock of one machine may not hold on another."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["network_mount"]

_MOUNTS = Path("/proc/self/mountinfo")
_NETWORK = """
9p acfs afs beegfs ceph cifs coda cvfs davfs drvfs fakeowner fhgfs ftpfs gfs gfs2 glusterfs gpfs hgfs kafs lustre mmfs
ncp ncpfs nfs nfs3 nfs4 ocfs2 orangefs panfs prl_fs pvfs2 quobyte shfs smb2 smb3 smbfs sshfs vboxsf virtiofs vmhgfs
weka wekafs
"""
_LOCAL_FUSE = """
fuse.bindfs fuse.encfs fuse.exfat fuse.fuse-overlayfs fuse.gocryptfs fuse.lxcfs fuse.mergerfs fuse.ntfs fuse.ntfs-3g
fuse.overlayfs fuse.portal fuse.securefs fuse.unionfs fuse.zfs-fuse
"""
"""What runs in user space over local disks; others, such as sshfs, s3fs and rclone, reach over a network."""
_ESCAPE = re.compile(r"\\([0-7]{3})")


def network_mount(folder: Path) -> str | None:
    """Returns type and place of the network file system that a folder lies on; None if it is local or unknown.

    It is found in Linux's table of mounts; other systems have none.
    """
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        place = folder.resolve()
    except (OSError, RuntimeError):
        return None
    found: tuple[int, str, str] | None = None
    for line in lines:
        before, _, after = line.partition(" - ")
        fields, kinds = before.split(" "), after.split(" ")
        if len(fields) < 5:
            continue
        mount = Path(_ESCAPE.sub(lambda code: chr(int(code[1], 8)), fields[4]))
        # Of mounts over each other the last one is seen.
        if place.is_relative_to(mount) and (found is None or len(mount.parts) >= found[0]):
            found = len(mount.parts), kinds[0], str(mount)
    return f"{found[1]} at {found[2]}" if found is not None and _is_network(found[1]) else None


def _is_network(kind: str) -> bool:
    return kind in _NETWORK.split() or (kind.startswith("fuse.") and kind not in _LOCAL_FUSE.split())
