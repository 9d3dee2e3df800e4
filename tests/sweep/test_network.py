"""Network file systems are found in the mount table, and a line says that locks there are not proven."""

from __future__ import annotations

from pathlib import Path

import pytest

from ragvlc.results.network import network_mount
from ragvlc.results.store import SweepStore

TABLE = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
"""


def mounted(folder: Path, kind: str, options: str = "rw,relatime shared:1") -> str:
    name = str(folder).replace("\\", "\\134").replace(" ", "\\040").replace("\n", "\\012")
    return f"40 27 0:40 / {name} {options} - {kind} server:/export rw,vers=4.2\n"


@pytest.fixture
def mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "mountinfo"
    file.write_text(TABLE)
    monkeypatch.setattr("ragvlc.results.network._MOUNTS", file)
    return file


KINDS = "nfs nfs4 cifs smb3 smbfs 9p ceph glusterfs lustre afs beegfs gpfs virtiofs drvfs fuse.sshfs fuse.rclone"


@pytest.mark.parametrize("kind", [*KINDS.split(), "fuse.s3fs", "fuse.glusterfs", "fuse.ceph-fuse", "fuse.juicefs"])
def test_a_sweep_on_a_network_file_system_says_so(
    tmp_path: Path, mounts: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    mounts.write_text(TABLE + mounted(tmp_path / "a b", kind))
    with SweepStore(tmp_path / "a b" / "sweep"):
        pass
    [said] = [one.getMessage() for one in caplog.records]
    assert f"network file system ({kind} at {tmp_path / 'a b'}): that its lock holds" in said
    with SweepStore(tmp_path / "beside"):
        pass
    assert len(caplog.records) == 1


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "fuseblk", "fuse.ntfs-3g", "zfs"])
def test_a_local_file_system_says_nothing(tmp_path: Path, mounts: Path, kind: str) -> None:
    mounts.write_text(TABLE + mounted(tmp_path, kind))
    assert network_mount(tmp_path / "sweep") is None


def test_the_nearest_mount_counts_and_of_two_over_each_other_the_last(tmp_path: Path, mounts: Path) -> None:
    inner = tmp_path / "inner"
    mounts.write_text(mounted(tmp_path, "nfs4", "rw") + mounted(inner, "ext4") + TABLE)
    assert network_mount(inner / "x") is None
    assert network_mount(tmp_path / "innermost") == f"nfs4 at {tmp_path}"
    mounts.write_text(TABLE + mounted(inner, "ext4") + mounted(inner, "nfs"))
    assert network_mount(inner) == f"nfs at {inner}"
    mounts.write_text(TABLE + mounted(inner, "nfs") + mounted(inner, "ext4"))
    assert network_mount(inner) is None


def test_a_link_to_it_is_followed(tmp_path: Path, mounts: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "far")
    mounts.write_text(TABLE + mounted(tmp_path / "far", "nfs4"))
    assert network_mount(tmp_path / "link" / "sweep") == f"nfs4 at {tmp_path / 'far'}"


@pytest.mark.parametrize(
    "text", ["", "\n", "nonsense", "1 2 3", "40 27 0:40 / / rw", "40 27 0:40 / /x\\9 rw - nfs a b"]
)
def test_a_table_that_cannot_be_understood_is_none(tmp_path: Path, mounts: Path, text: str) -> None:
    mounts.write_text(text)
    assert network_mount(tmp_path) is None
    mounts.unlink()
    assert network_mount(tmp_path) is None
