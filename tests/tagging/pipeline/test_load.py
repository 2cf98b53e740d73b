"""Loading of bundles for tagging."""

import subprocess
import sys
from pathlib import Path

from tagging.pipeline.load import load_tagger
from tagging.types import VideoRef

HEAVY = {"lightgbm", "sklearn", "transformers", "sentence_transformers", "faster_whisper", "rapidocr", "cv2"}


def test_a_starter_that_reads_texts_alone_imports_no_library_that_it_does_not_need(tiny_starter: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tagging.pipeline.load import load_tagger\n"
        f"load_tagger(Path({str(tiny_starter)!r}), reads_media=False).close()\n"
        f"print({HEAVY!r} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_texts_get_the_same_answer_whether_media_could_be_read_or_not(tiny_starter: Path) -> None:
    video = VideoRef("v", None, "A dog sings with a guitar", "")
    with load_tagger(tiny_starter) as whole, load_tagger(tiny_starter, reads_media=False) as of_text:
        answer = whole.tag(video, whole.selection(None, None))
        assert of_text.tag(video, of_text.selection(None, None)) == answer
        assert answer.tags
        assert whole.models.encoders.reads_media
        assert not of_text.models.encoders.reads_media
