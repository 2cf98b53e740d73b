"""Environment variables that model libraries set while they are imported or load a model.

open_clip sets TOKENIZERS_PARALLELISM, which would slow the text encoder's tokenizer; torch's compiler and scikit-learn,
which sentence-transformers imports, set a cache folder and options of OpenMP that child processes would inherit.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def environment_left_alone() -> Iterator[None]:
    """Undo all changes of the environment that happen inside."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)
