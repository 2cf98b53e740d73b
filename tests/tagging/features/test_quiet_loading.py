"""Loading the encoders of the model libraries: what it prints, and what it leaves changed in its process."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from tagging.features.text import SentenceTransformerEncoder
from tagging.features.vision import OpenClipEncoder
from tagging.features.weights import ClipSource

CODE = """
import logging, os, sys
from pathlib import Path
os.environ.pop("TOKENIZERS_PARALLELISM", None)
before = dict(os.environ)
from tagging.features.text import SentenceTransformerEncoder
from tagging.features.vision import OpenClipEncoder
from tagging.features.weights import ClipSource
clip, text = map(Path, sys.argv[1:])
OpenClipEncoder(ClipSource(clip), 2)
print(logging.root.handlers, os.environ == before)
encoder = SentenceTransformerEncoder(text, 256, 2)
encoder.token_counts(["word " * 2000])
encoder.encode(["one", "two", "three"])
print(logging.root.handlers, os.environ == before)
"""


@pytest.mark.slow
def test_loading_and_encoding_print_nothing_and_change_no_global_settings(tiny_clip: Path, minilm: Path) -> None:
    program = [sys.executable, "-W", "error", "-c", CODE, str(tiny_clip), str(minilm)]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[] True\n[] True\n", "")


def test_loading_keeps_the_handlers_of_the_root_logger(tiny_clip: Path, tiny_text: Path) -> None:
    handlers = list(logging.root.handlers)
    OpenClipEncoder(ClipSource(tiny_clip), 2)
    SentenceTransformerEncoder(tiny_text, max_tokens=64, batch_size=2)
    assert logging.root.handlers == handlers
