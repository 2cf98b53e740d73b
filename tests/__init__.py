"""The suite. Where several processes run it, each has one thread, or they wait for each other's."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
