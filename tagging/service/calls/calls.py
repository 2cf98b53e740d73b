"""The calls of the service, as the servicer uses them."""

from dataclasses import dataclass

from tagging.service.calls.bundles import BundleCalls
from tagging.service.calls.explanations import ExplanationCalls
from tagging.service.calls.feedback import FeedbackCalls
from tagging.service.calls.tags import TagCalls
from tagging.service.calls.videos import VideoCalls
from tagging.service.observe.metrics import Metrics


@dataclass(frozen=True, slots=True, eq=False)
class Calls:
    """The calls that the handlers make."""

    videos: VideoCalls
    explanations: ExplanationCalls
    tags: TagCalls
    feedback: FeedbackCalls
    bundles: BundleCalls
    metrics: Metrics
