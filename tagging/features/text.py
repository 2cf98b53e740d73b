"""Sentence embeddings of titles and descriptions (SBERT, Reimers & Gurevych 2019)."""

import copy
import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tagging.errors import ArtifactMismatchError
from tagging.features.environment import environment_left_alone
from tagging.features.fetch_weights import reason_of
from tagging.features.torchvision_compat import repair_torchvision
from tagging.features.weights import fingerprint, folder_files
from tagging.text.normalise import VERSION, plain

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class SentenceTexts:
    """The CPU part: texts to the ids of their tokens. Thread-safe."""

    def __init__(self, tokenizer: Any, prompt: str, dim: int, max_tokens: int, fingerprint: str) -> None:
        """tokenizer: of transformers; a copy of its own"""
        self._tokenizer = tokenizer
        self._tokenizing = threading.Lock()  # a fast tokenizer stores its truncation
        self._prompt = prompt
        self.dim = dim
        self.max_tokens = max_tokens
        self.fingerprint = fingerprint

    def token_counts(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """(B,) tokens of each text, including special ones, before truncation."""
        return np.array([len(row) for row in self._ids(texts, truncation=False)], np.int64)

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, truncated to `max_tokens`."""
        return self._ids(texts, truncation=True, max_length=self.max_tokens)

    def _ids(self, texts: Sequence[str], **truncation: Any) -> list[list[int]]:
        if not texts:
            return []
        prompted = [self._prompt + plain(text) for text in texts]
        with self._tokenizing:
            ids: list[list[int]] = self._tokenizer(
                prompted,
                padding=False,
                return_attention_mask=False,
                verbose=False,  # otherwise it warns of texts longer than the limit of the model
                **truncation,
            )["input_ids"]
        return ids


class SentenceTransformerEncoder:
    """A TextEncoder over a sentence-transformers folder; it reads local files only.

    `max_tokens` is the smaller of the configured value and the limit of the model. Raises ArtifactMismatchError unless
    the folder is a complete model.
    """

    def __init__(self, folder: Path, max_tokens: int, batch_size: int, device: str = "cpu") -> None:
        repair_torchvision()
        with environment_left_alone():
            from sentence_transformers import SentenceTransformer

        try:
            with environment_left_alone(), _no_progress_bars(), _load_report() as reports:
                model = SentenceTransformer(str(folder), device=device, local_files_only=True)
            dim = model.get_embedding_dimension()
        except Exception as error:  # transformers, tokenizers, safetensors and torch each raise their own
            raise ArtifactMismatchError(f"{folder} is no sentence-transformers model: {reason_of(error)}") from error
        if dim is None:
            raise ArtifactMismatchError(f"{folder} does not state the width of its embeddings")
        if missing := _missing_tensors(reports):  # transformers would continue with random ones
            raise ArtifactMismatchError(f"{folder} lacks tensors of its model: {', '.join(missing[:3])}")
        self.dim = dim
        self.max_tokens = min(max_tokens, model.max_seq_length or max_tokens)
        self.fingerprint = fingerprint(
            "sentence-transformers",
            {"max_tokens": self.max_tokens, "normalisation": VERSION, "version": 1},
            folder_files(folder),
        )
        model.max_seq_length = self.max_tokens
        self.model = _unmapped(model.eval())
        # Model card and model refer to each other, so that both would stay in
        # memory until a garbage collection, which is rare in a large process. Only trainers read the card.
        model.model_card_data.model = None
        self.batch_size = batch_size
        self._encoding = threading.Lock()  # for the model's own tokenizer
        prompt = model.prompts.get(model.default_prompt_name or "") or ""
        # A copy: a fast tokenizer stores its truncation as state, which the model depends on.
        tokenizer = copy.deepcopy(model.tokenizer)
        self.texts = SentenceTexts(tokenizer, prompt, dim, self.max_tokens, self.fingerprint)

    def token_counts(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """(B,) tokens of each text, including special ones, before truncation."""
        return self.texts.token_counts(texts)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """B texts -> (B, D) unit rows. Thread-safe: a ranker may read names while the texts of videos are encoded.

        Texts of similar length share a batch. The library sorts by characters, whose number per token depends on the
        script; sorting by tokens leaves less padding.
        """
        rows = np.empty((len(texts), self.dim), np.float32)
        order = np.argsort(self.token_counts(texts), kind="stable")
        for start in range(0, len(texts), self.batch_size):
            batch = order[start : start + self.batch_size]
            with self._encoding:
                rows[batch] = self.model.encode(
                    [plain(texts[i]) for i in batch],
                    batch_size=len(batch),
                    show_progress_bar=False,
                    normalize_embeddings=True,
                )
        return rows


@contextmanager
def _load_report() -> Iterator[list[str]]:
    """Collect transformers' reports on tensors that only the checkpoint or only the model has, instead of printing
    them.
    """
    logger = logging.getLogger("transformers.modeling_utils")
    level = logger.level
    reports: list[str] = []

    def keep(record: logging.LogRecord) -> bool:
        is_report = "LOAD REPORT" in record.getMessage()
        if is_report:
            reports.append(record.getMessage())
        return not is_report

    if not logger.isEnabledFor(logging.WARNING):  # a level of its own, if needless, makes it print sharding plans
        logger.setLevel(logging.WARNING)
    logger.addFilter(keep)
    try:
        yield reports
    finally:
        logger.removeFilter(keep)
        logger.setLevel(level)


def _unmapped(model: "SentenceTransformer") -> "SentenceTransformer":
    """Copy the weights into memory: transformers maps the file, and truncating it would kill the process."""
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.device.type == "cpu":
            tensor.data = tensor.data.clone()
    return model


def _missing_tensors(reports: Iterable[str]) -> list[str]:
    """Return the tensors that a report marks as randomly initialised, except poolers, which sentence embeddings do not
    use.
    """
    names = [
        line.split("|")[0].strip()
        for report in reports
        for line in report.splitlines()
        if "MISSING" in line and "|" in line
    ]
    return [name for name in names if not name.startswith("pooler.")]


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    """Disable the progress bar of transformers for the block. The switch is global, so it is restored."""
    from transformers.utils import logging as transformers_logging

    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]
