"""Construction of the calls: database tables, bundles, models and sources, opened in order and closed in reverse."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from tagging.features.triton.client import TritonClient
from tagging.pipeline.load import load_tagger
from tagging.service.bundles.loaded_bundle import UpdateLogs
from tagging.service.bundles.registry import BundleRegistry
from tagging.service.calls.bundles import BundleCalls
from tagging.service.calls.calls import Calls
from tagging.service.calls.explanations import ExplanationCalls
from tagging.service.calls.feedback import FeedbackCalls
from tagging.service.calls.shadow import Shadow
from tagging.service.calls.tags import TagCalls
from tagging.service.calls.videos import Telemetry, VideoCalls, VideoRecords
from tagging.service.clients.quotas import Quotas
from tagging.service.config import ServiceConfig
from tagging.service.inference.admission import Admission, limits_on_media, limits_on_texts
from tagging.service.inference.inference import Admissions, Inference
from tagging.service.inference.model_threads import ModelThreads
from tagging.service.observe.logs import unify_library_logging
from tagging.service.sources.sources import Sources
from tagging.store.database.database import Database
from tagging.store.database.feedback import FeedbackLog
from tagging.store.database.labelled_videos import LabelledLog
from tagging.store.database.tag_edits import TagEdits
from tagging.store.database.taggings import Taggings


@dataclass(frozen=True, slots=True, eq=False)
class OpenedCalls:
    """The calls of a service, and those of their parts that the service observes."""

    calls: Calls
    bundles: BundleRegistry
    admissions: Admissions
    database: Database
    triton: TritonClient | None


@asynccontextmanager
async def build_calls(
    bundle: Path, config: ServiceConfig, quotas: Quotas, telemetry: Telemetry, clock: Callable[[], datetime]
) -> AsyncIterator[OpenedCalls]:
    """Load the bundle and open everything that calls use, while the context lasts.

    Raises what loading a bundle and the database raise.
    """
    async with AsyncExitStack() as stack:
        database = Database(config.database)
        stack.push_async_callback(database.close)
        logs = UpdateLogs(TagEdits(database), LabelledLog(database))
        triton = None
        if config.triton is not None:
            triton = stack.enter_context(TritonClient(config.triton, config.triton_tls))
        model = ModelThreads()
        stack.push_async_callback(model.close)
        bundles = BundleRegistry(
            config.bundles,
            model.edit,
            logs,
            clock,
            telemetry.stages,
            partial(load_tagger, triton=triton, runtime=config.runtime),
        )
        stack.push_async_callback(bundles.close)
        await bundles.start(bundle)
        unify_library_logging()
        admissions = Admissions(
            Admission(limits_on_texts(config.admission.texts)),
            Admission(limits_on_media(config.admission.media)),
            Admission(limits_on_media(config.explanations)),
        )
        inference = Inference(bundles, model, admissions, quotas, telemetry.stages)
        records = VideoRecords(Taggings(database), logs.labelled, clock)
        shadow = Shadow(inference, records.taggings, config.shadow_waiting, clock)
        stack.push_async_callback(shadow.close)
        sources = Sources(config.sources)
        calls = Calls(
            VideoCalls(inference, sources, records, shadow, telemetry),
            ExplanationCalls(inference, sources, records.taggings, telemetry.stages),
            TagCalls(bundles, logs.edits, clock),
            FeedbackCalls(bundles, records.taggings, FeedbackLog(database), clock),
            BundleCalls(bundles, shadow, records.taggings),
            telemetry.metrics,
        )
        yield OpenedCalls(calls, bundles, admissions, database, triton)
