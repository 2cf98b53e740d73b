"""Containers of the image under test, confined as in deploy/: ordinary user, read-only root file system, no network."""

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

IMAGE = "VIDEOTAG_TEST_IMAGE"  # environment variable, such as localhost/videotag
CONFINED = ("--read-only", "--tmpfs=/tmp", "--network=none", "--cap-drop=all", "--security-opt=no-new-privileges")


@dataclass(frozen=True, slots=True)
class Engine:
    """A container engine and the image under test."""

    program: str
    image: str

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([self.program, *arguments], capture_output=True, text=True, check=False)

    def run(self, *arguments: str, mounts: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Run a command of videotag to its end. mounts: SOURCE:TARGET:OPTIONS"""
        return self.call("run", "--rm", *CONFINED, *(f"--volume={mount}" for mount in mounts), self.image, *arguments)

    def run_python(self, code: str) -> subprocess.CompletedProcess[str]:
        """Run a program in the environment of the image."""
        return self.call("run", "--rm", *CONFINED, "--entrypoint=python", self.image, "-c", code)

    @contextmanager
    def running(self, *arguments: str, mounts: Sequence[str] = ()) -> Iterator[str]:
        """Start a command of videotag; yield the container's name, and remove it at the end."""
        name = f"videotag-test-{uuid.uuid4().hex[:8]}"
        volumes = [f"--volume={mount}" for mount in mounts]
        started = self.call("run", "--detach", f"--name={name}", *CONFINED, *volumes, self.image, *arguments)
        assert started.returncode == 0, started.stderr
        try:
            yield name
        finally:
            self.call("rm", "--force", name)

    def state(self, name: str, field: str) -> str:
        return self.call("inspect", "--format", f"{{{{.State.{field}}}}}", name).stdout.strip()


def engine() -> Engine:
    """Return the engine; skip the test without one, or without the image."""
    image = os.environ.get(IMAGE)
    if not image:
        pytest.skip(f"{IMAGE} names no image: build one with `make image`")
    program = shutil.which("podman") or shutil.which("docker")
    if program is None:
        pytest.skip("neither podman nor docker is installed")
    found = Engine(program, image)
    if found.call("image", "inspect", image).returncode != 0:
        pytest.skip(f"{program} has no image {image}: build it with `make image`")
    return found


def shared_folder(folder: Path) -> Path:
    """Make a folder that the container's user can write to."""
    folder.mkdir()
    folder.chmod(0o777)
    return folder
