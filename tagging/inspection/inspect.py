"""Inspection of one video: the explanation of its answer, and the questions about it, each computed.

    ReadVideo → EncodedVideo → DecidedVideo → Explanation → Inspection
"""

from collections.abc import Sequence

from tagging.config.root import SelectConfig
from tagging.inspection.explanation import Inspection
from tagging.media.read_ahead import ReadVideo
from tagging.pipeline.tagger import Tagger


def inspect_video(tagger: Tagger, video: ReadVideo, selection: SelectConfig, queries: Sequence[str]) -> Inspection:
    """Explain the answer to a video whose media are in memory, and answer a question for each query.

    queries: tags of the catalog by any spelling, or any other text; equal ones are answered once
    Raises InvalidVideoError if no encoder can read anything of the video, and InvalidQuestionError for a blank query.
    """
    raise NotImplementedError
