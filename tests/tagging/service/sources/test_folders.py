import os
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tagging.errors import MediaNotFoundError, SourceNotAllowedError
from tagging.service.sources.folders import AllowedFolders

GOOD, SECRET = b"good", b"secret"


@pytest.fixture
def allowed(tmp_path: Path) -> Path:
    """A folder that contains a film, next to a folder with a secret."""
    folder = tmp_path / "allowed"
    (folder / "sub").mkdir(parents=True)
    (folder / "film").write_bytes(GOOD)
    (folder / "sub" / "film").write_bytes(GOOD)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "film").write_bytes(SECRET)
    (tmp_path / "allowed-not").mkdir()
    (tmp_path / "allowed-not" / "film").write_bytes(SECRET)
    return folder


def read(folder: Path, path: object) -> bytes:
    with AllowedFolders([str(folder)]).open(str(path)) as file:
        return file.read()


def test_files_below_an_allowed_folder_are_read(allowed: Path) -> None:
    assert read(allowed, allowed / "film") == GOOD
    assert read(allowed, f"{allowed}/sub/./film") == GOOD
    assert read(allowed, f"{allowed}//sub//film") == GOOD


def test_links_within_allowed_folders_are_followed(allowed: Path, tmp_path: Path) -> None:
    (allowed / "link").symlink_to("sub/film")
    (allowed / "folder").symlink_to("sub")
    (tmp_path / "other").symlink_to(allowed)
    assert read(allowed, allowed / "link") == GOOD
    assert read(allowed, allowed / "folder" / "film") == GOOD
    assert read(tmp_path / "other", tmp_path / "other" / "film") == GOOD  # the operator's folder may be a link itself
    assert read(tmp_path / "other", allowed / "film") == GOOD


def test_links_out_of_allowed_folders_are_refused(allowed: Path, tmp_path: Path) -> None:
    targets = {
        "relative": "../outside/film",
        "absolute": str(tmp_path / "outside" / "film"),
        "password": "/etc/passwd",
        "environment": "/proc/self/environ",
        "descriptor": "/dev/stdin",
        "missing": "../nothing",
        "chain": "relative",
    }
    for name, target in targets.items():
        (allowed / name).symlink_to(target)
    (allowed / "up").symlink_to("..")
    (allowed / "root").symlink_to("/")
    for path in [*targets, "up/outside/film", "root/etc/passwd", "up/allowed-not/film"]:
        with pytest.raises(SourceNotAllowedError):
            read(allowed, allowed / path)


@pytest.mark.parametrize(
    "path",
    ["{}/../outside/film", "{}/sub/../../outside/film", "{}-not/film", "{}", "{}/..", "{}/../allowed/film", "/", "",
     "film", "./film", "/etc/passwd", "/proc/self/environ", "/dev/zero", "/etc/nothing", "//{}/film", "~/film",
     "/proc/self/cwd/film", "/proc/self/root{}/film"],
)  # fmt: skip
def test_paths_outside_allowed_folders_are_refused_whether_or_not_they_exist(allowed: Path, path: str) -> None:
    with pytest.raises(SourceNotAllowedError) as caught:
        read(allowed, path.format(allowed))
    assert "not in a folder" in caught.value.message


def test_only_regular_files_are_opened(allowed: Path) -> None:
    os.mkfifo(allowed / "pipe")  # a plain open() would wait for a writer for ever
    (allowed / "loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(allowed / "socket"))
        for name in ("pipe", "sub", "socket", "loop", "nothing", "film/x", "a\0b", "x" * 300, "y/" * 3000):
            with pytest.raises(MediaNotFoundError) as caught:
                read(allowed, f"{allowed}/{name}")
            assert caught.value.message.isprintable()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a device")
def test_a_device_in_an_allowed_folder_is_not_opened(allowed: Path) -> None:
    try:
        os.mknod(allowed / "zero", 0o600 | 0o020000, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("no right to make a device here")
    with pytest.raises(MediaNotFoundError):
        read(allowed, allowed / "zero")


def test_no_folder_is_allowed_by_default(allowed: Path) -> None:
    with pytest.raises(SourceNotAllowedError):
        AllowedFolders([]).open(str(allowed / "film"))


def test_an_allowed_folder_replaced_by_a_link_is_refused(allowed: Path, tmp_path: Path) -> None:
    folders = AllowedFolders([str(allowed / "sub"), str(allowed)])
    (allowed / "sub").rename(allowed / "away")
    (allowed / "sub").symlink_to(tmp_path / "outside")
    with pytest.raises(SourceNotAllowedError):
        folders.open(str(allowed / "sub" / "film"))


SWAP = """
import os, sys
victim, kept, target = sys.argv[1:]
while True:
    os.rename(victim, kept)
    os.symlink(target, victim)
    os.unlink(victim)
    os.rename(kept, victim)
"""


@pytest.mark.parametrize("swapped", ["film", "sub"])
def test_replacing_links_during_access_reveals_no_outside_file(allowed: Path, tmp_path: Path, swapped: str) -> None:
    victim = allowed / swapped
    path = victim if swapped == "film" else victim / "film"
    target = tmp_path / "outside" / ("film" if swapped == "film" else "")
    folders, outcomes, tries = AllowedFolders([str(allowed)]), Counter[object](), 0
    with subprocess.Popen([sys.executable, "-c", SWAP, str(victim), str(allowed / "kept"), str(target)]) as attacker:
        try:
            # Until every outcome occurred: the link, the file, and no file in between.
            while tries < 1000 or (len(outcomes) < 3 and tries < 200_000):
                tries += 1
                try:
                    with folders.open(str(path)) as file:
                        outcomes[file.read()] += 1
                except (SourceNotAllowedError, MediaNotFoundError) as error:
                    outcomes[type(error)] += 1
        finally:
            attacker.kill()
    assert set(outcomes) == {GOOD, SourceNotAllowedError, MediaNotFoundError}


def test_no_descriptor_is_leaked(allowed: Path) -> None:
    (allowed / "out").symlink_to("/etc/passwd")
    before = sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for name in ("film", "sub/film", "out", "nothing", "sub", "sub/nothing/x"):
        try:
            assert read(allowed, allowed / name) == GOOD
        except (SourceNotAllowedError, MediaNotFoundError):
            assert name in ("out", "nothing", "sub", "sub/nothing/x")
    assert sorted(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
