"""Unigram tokenizer of multilingual-e5 (SentencePiece, Kudo & Richardson 2018), built from the pieces in its file."""

from collections.abc import Sequence

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from tagging.features.e5_file import Pieces


class E5Tokenizer:
    """Texts to numbers of pieces, with a start and an end."""

    def __init__(self, pieces: Pieces) -> None:
        scored = list(zip(pieces.texts, pieces.scores.tolist(), strict=True))
        self._tokenizer = Tokenizer(models.Unigram(scored, unk_id=pieces.unknown, byte_fallback=False))
        self._tokenizer.normalizer = normalizers.Replace(Regex(" {2,}"), " ")
        self._tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
        ends = [(pieces.texts[number], number) for number in (pieces.start, pieces.end)]
        self._tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{ends[0][0]} $A {ends[1][0]}", special_tokens=ends
        )
        self._replacements = dict(pieces.replacements)

    def numbers(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the numbers of the pieces of each text, whole."""
        spelled = [text.translate(self._replacements) for text in texts]
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(spelled)]
