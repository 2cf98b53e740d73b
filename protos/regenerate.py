"""Code generation for the protos: Python stubs next to them, or an image for buf.

`make protos` runs it; constraints.txt pins the versions of protoc and its plugins.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from google.rpc import status_pb2

PROTOS = Path(__file__).resolve().parent
BIN = Path(sys.executable).parent


def write_stubs(out: Path) -> None:
    """Write the stubs of messages and service, and their types, under out/videotag/v1."""
    plugins = [f"--plugin={name}={BIN / name}" for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")]
    _protoc(
        *plugins, f"--python_out={out}", f"--grpc_python_out={out}", f"--mypy_out=quiet:{out}",
        f"--mypy_grpc_out=quiet:{out}",
    )  # fmt: skip


def write_image(path: Path) -> None:
    """Write a descriptor set of every proto with its comments and imports."""
    _protoc("--include_imports", "--include_source_info", f"--descriptor_set_out={path}")


def _protoc(*arguments: str) -> None:
    google = Path(status_pb2.__file__).parents[2]  # googleapis-common-protos has its .proto files next to its stubs
    sources = [path.relative_to(PROTOS).as_posix() for path in sorted(PROTOS.rglob("*.proto"))]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}", f"-I{google}", *arguments, *sources]
    subprocess.run(command, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", type=Path, metavar="FILE", help="write an image for buf instead of stubs")
    image = parser.parse_args().image
    if image is None:
        write_stubs(PROTOS)
    else:
        write_image(image)


if __name__ == "__main__":
    main()
