"""Tags that no labelled video has: phrases of the title, and phrases composed of them.

Three sources of names, one probability each:

    spans          a run of the title's words (recall/spans.py), as written and without accents
    unions         two spans that do not stand side by side, in either order: "maria becerra mienteme"
    compositions   a span with one or two words around it, a template that several uploaders use: "<span> letra"

Which of them are tags is learnt from labelled titles. Whatever is counted is counted in uploaders, each once: how many
have the phrase as a tag, in a title, in both; how many have a word at the start, at the end, inside or beside a span
that is a tag. When a video is learnt from, its own uploader is left out of every count, or the counts would say "this
phrase is a tag of one uploader", which is the answer. Two networks of one hidden layer turn counts, place and spelling
into log-odds; logistic curves (Platt 1999), fitted on uploaders that the networks did not learn from, make them
probabilities, for known and for new names apart.

A first draft of the span network (121 features, 64 hidden units) ordered the spans of 2,500 real titles of unseen
uploaders with an average precision of 0.54 (new names: 0.39), gradient-boosted trees over the same with 0.49 (0.38).
"""

import json
import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from recall.spans import CHARACTERS_READ, SCRIPTS, Gap, Span, Token, fold, key_of, spans, tokens, unaccented
from tagging.errors import ArtifactCorruptError, ArtifactMismatchError, ArtifactNotFoundError
from tagging.words import EMPTY, normalise

logger = logging.getLogger(__name__)

FORMAT = 1
LEARNT_FROM = 10_000  # videos that the first network sees; all are counted
COMPOSED_FROM = 6_000  # of these, that the second sees
HELD_BACK = 0.2  # of their uploaders, for the curves
TEMPLATES = 3000
TEMPLATE_UPLOADERS = 5  # at least
BASES = 6  # spans of a title that are composed and united
TRIED = 30  # templates of a title
HIDDEN = 64
EPOCHS, BATCH, STEPS, RATE = 5, 2048, 400, 3e-3  # of training; at least so many steps

Keys = NDArray[np.uint64]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

# What uploaders are counted for: "part" is a part of a tag, "both" a phrase of the title that is a tag of that video,
# "join" and "cut" are two words side by side inside of such a phrase, and across its border.
TABLES = ("tag", "part", "title", "both", "begin", "end", "inside", "before", "after", "join", "cut")
# How usual it is, of all words of titles (of spans for "both"): what is believed of a word that was never there.
_USUAL = {
    "both": 0.05,
    "inside": 0.15,
    "begin": 0.08,
    "end": 0.08,
    "before": 0.06,
    "after": 0.06,
    "join": 0.1,
    "cut": 0.1,
}
_PRIOR = 3.0  # uploaders that this belief weighs
_CUE_PRIOR = 10.0
_EMPTY = frozenset(map(fold, EMPTY))
# Latin, Cyrillic, Arabic, Indic, Hangul; a token of another kind of script has that as its own.
_ALPHABETS = (("a", "\u024f"), ("\u0400", "\u052f"), ("\u0600", "\u06ff"), ("\u0900", "\u0dff"), ("\uac00", "\ud7a3"))


@dataclass(frozen=True, slots=True)
class NewTag:
    """A phrase that could be a tag of the video."""

    name: str  # words of the title are spelled as there
    probability: float  # that the creator used it, in [0, 1]
    text: str  # what stands in the title


@dataclass(frozen=True, slots=True)
class Template:
    """Words around a span that make another tag of it; one of the two may be ""."""

    prefix: str
    suffix: str

    def around(self, name: str) -> str:
        return f"{self.prefix} {name} {self.suffix}".strip()

    @property
    def key(self) -> tuple[str, str]:
        return key_of(self.prefix), key_of(self.suffix)


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """How many uploaders have a key."""

    keys: Keys  # (n,) rising
    uploaders: Ints  # (n,)
    least: int  # a key that fewer uploaders have counts as none, and is not kept

    def of(self, keys: Keys, own: Keys) -> Floats:
        """(m,) as if the uploader who has the keys `own`, rising, were not there."""
        counts = np.zeros(len(keys), np.float32)
        places, found = _look_up(self.keys, keys)
        counts[found] = self.uploaders[places[found]]
        counts -= _look_up(own, keys)[1]
        counts[counts < self.least] = 0.0
        return counts


@dataclass(frozen=True, slots=True, eq=False)
class Cues:
    """Which templates uploaders use on videos whose titles have a cue: a word, or a letter beyond ASCII."""

    cues: Counts
    starts: Ints  # (cues + 1,)
    templates: Ints  # (pairs,) of cue c from starts[c] to starts[c + 1]
    together: Ints  # (pairs,) uploaders
    users: Ints  # (T,) uploaders that use the template
    everyone: int  # uploaders

    def lifts(self, cues: Keys, own: "_Own") -> Floats:
        """(T, 4): log of the usual share, and sum, mean and largest of its log lifts by these cues."""
        size = len(self.users)
        users = self.users - np.isin(np.arange(size), own.templates)
        usual = users / (self.everyone - bool(len(own.cues)))  # every uploader has some
        total, largest = np.zeros(size), np.zeros(size)
        places, found = _look_up(self.cues.keys, cues)
        counts = self.cues.of(cues[found], own.cues)
        for place, count in zip(places[found][counts > 0], counts[counts > 0], strict=True):
            rows = self.templates[self.starts[place] : self.starts[place + 1]]
            together = self.together[self.starts[place] : self.starts[place + 1]].astype(np.float64)
            together -= _look_up(own.pairs, place * size + rows)[1]
            together[together < 2] = 0.0
            lift = np.full(size, np.log(_CUE_PRIOR / (count + _CUE_PRIOR)))
            lift[rows] = np.log((together + _CUE_PRIOR * usual[rows]) / (count + _CUE_PRIOR) / usual[rows])
            total += lift
            largest = np.maximum(largest, lift)
        mean = total / max(int((counts > 0).sum()), 1)
        return np.stack([np.log(usual), total, mean, largest], axis=1).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Net:
    """One hidden layer over standardised features."""

    mean: Floats  # (F,)
    scale: Floats  # (F,)
    hidden: Floats  # (F + 1, H), the last row is the bias
    out: Floats  # (H + 1, O)

    def __call__(self, features: Floats) -> Floats:
        """(n, F) -> (n, O) log-odds."""
        x = ((features - self.mean) / self.scale).clip(-8.0, 8.0)
        x = np.maximum(x @ self.hidden[:-1] + self.hidden[-1], 0.0)
        return np.asarray(x @ self.out[:-1] + self.out[-1], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class _Own:
    """What one uploader has, to be left out."""

    tables: Mapping[str, Keys]
    cues: Keys
    templates: Ints  # rows
    pairs: Ints  # place of the cue · T + row of the template


_NO_ROWS = np.zeros(0, np.int64)
_NOBODY = _Own(dict.fromkeys(TABLES, np.zeros(0, np.uint64)), np.zeros(0, np.uint64), _NO_ROWS, _NO_ROWS)


@dataclass(frozen=True, slots=True, eq=False)
class _Names:
    """n names for one video, and what a network looks at."""

    names: list[str]
    keys: list[str]
    places: list[tuple[int, int]]  # tokens of the title that a name rests on, first to last, the last excluded
    features: Floats  # (n, F)


class _Counted:
    """All that is counted; it lays out the names of a video."""

    def __init__(self, tables: Mapping[str, Counts], templates: Sequence[Template], cues: Cues) -> None:
        self.tables = tables
        self.templates = tuple(templates)
        self.cues = cues
        self._keys = [template.key for template in templates]

    def known(self, keys: Sequence[str], own: _Own) -> NDArray[np.bool_]:
        """(n,) True: another uploader has the tag."""
        return self.tables["tag"].of(hashed(keys), own.tables["tag"]) > 0

    def spans(self, text: str, words: list[Token], own: _Own) -> tuple[list[Span], _Names]:
        """Every span; after them those with accents again, without."""
        found = list(spans(text, words))
        columns = self._span_features(words, found, own)
        names = [span.name for span in found]
        accented = [place for place, name in enumerate(names) if unaccented(name) != name]
        rows = [*range(len(found)), *accented]
        is_plain = np.arange(len(rows)) >= len(found)
        features = np.column_stack([is_plain, np.isin(rows, accented), columns[rows]]).astype(np.float32)
        names += [unaccented(names[place]) for place in accented]
        found = [found[row] for row in rows]
        return found, _Names(names, [s.key for s in found], [(s.first, s.last) for s in found], features)

    def compositions(self, words: list[Token], found: list[Span], simple: _Names, odds: Floats, own: _Own) -> _Names:
        """Unions, and templates around, the spans that are composed most likely; odds: (n, 2) of the first network."""
        lifts = self.cues.lifts(hashed(_cues(words)), own)  # (T, 4)
        tried = np.argsort(-(lifts[:, 0] + 0.5 * lifts[:, 1]), kind="stable")[:TRIED].tolist()
        bases = np.argsort(-odds[:, 1], kind="stable")[:BASES].tolist()
        rows: list[tuple[int, int, int]] = []  # base, another base or -1, template or -1
        names: list[str] = []
        parts: list[tuple[str, str, str]] = []  # keys
        places: list[tuple[int, int]] = []
        for base in bases:
            left = found[base]
            for other in bases:
                right = found[other]
                apart = left.last < right.first or right.last <= left.first
                if apart and simple.features[base, 0] == simple.features[other, 0]:  # both accented or both plain
                    rows.append((base, other, -1))
                    names.append(f"{simple.names[base]} {simple.names[other]}")
                    parts.append(("", left.key, right.key))
                    places.append((min(left.first, right.first), max(left.last, right.last)))
            for template in tried:
                rows.append((base, -1, template))
                names.append(self.templates[template].around(simple.names[base]))
                parts.append((self._keys[template][0], left.key, self._keys[template][1]))
                places.append((left.first, left.last))
        keys = [" ".join(filter(None, part)) for part in parts]
        if not rows:
            return _Names([], [], [], np.zeros((0, 0), np.float32))
        base_rows, other_rows, template_rows = np.array(rows).T
        first = np.array([span.first for span in found])
        is_union = (other_rows >= 0)[:, None]
        lifted = lifts[template_rows] if len(lifts) else np.zeros((len(rows), 4), np.float32)
        united = np.column_stack(
            [odds[other_rows], simple.features[other_rows, :_PHRASE], first[other_rows] < first[base_rows]]
        )
        features = np.column_stack(
            [
                odds[base_rows],
                np.argsort(np.argsort(-odds[:, 1], kind="stable"))[base_rows],  # its rank
                simple.features[base_rows, :_PHRASE],
                self._joint_features(words, parts, keys, own),
                np.where(is_union, 0.0, lifted),
                np.where(is_union, united, 0.0),
                is_union,
            ]
        )
        return _Names(names, keys, places, features.astype(np.float32))

    def _joint_features(
        self, words: list[Token], parts: list[tuple[str, str, str]], keys: list[str], own: _Own
    ) -> NDArray[np.float64]:
        """(n, 10) of what is put to a base and of the two together."""
        in_title = {word.key for word in words}
        added = [f"{prefix} {suffix}".split() for prefix, _, suffix in parts]
        joints = [
            f"{base.rsplit(' ', 1)[-1]} {suffix.split(' ', 1)[0]}"
            if suffix
            else f"{prefix.rsplit(' ', 1)[-1]} {base.split(' ', 1)[0]}"
            for prefix, base, suffix in parts
        ]
        whole, put, joint = hashed(keys), hashed(map(" ".join, added)), hashed(joints)
        asked = (("tag", whole), ("part", whole), ("tag", put), ("part", put), ("tag", joint), ("part", joint))
        counts = [np.log1p(self.tables[table].of(which, own.tables[table])) for table, which in asked]
        plain = [
            (
                bool(prefix),
                len(more),
                sum(word in in_title for word in more) / len(more),
                any(word.isdecimal() for word in more),
            )
            for (prefix, _, _), more in zip(parts, added, strict=True)
        ]
        return np.column_stack([*counts, np.array(plain, np.float64)])

    def _span_features(self, words: list[Token], found: list[Span], own: _Own) -> NDArray[np.float64]:
        """(n, F): of the phrase (the first _PHRASE - 2), of its place, of its words, those beside it and all others."""
        first = np.array([span.first for span in found])
        last = np.array([span.last for span in found])
        count, length = len(words), last - first
        segment = np.array([word.segment for word in words])
        phrase = hashed(span.key for span in found)
        tag, part, title, both = (
            self.tables[table].of(phrase, own.tables[table]) for table in ("tag", "part", "title", "both")
        )
        phrase_columns = [
            *(np.log1p(counts) for counts in (tag, part, title, both)),
            tag > 0,
            _log_odds(both, title, _USUAL["both"]),
            np.log([len(span.name) for span in found]),
            *((np.minimum(length, 7) == size) for size in range(1, 8)),
            [span.is_segment for span in found],
            length == count,
            segment[first] == 0,
            segment[last - 1] == segment[-1],
            segment[last - 1] - segment[first],
            np.full(len(found), segment[-1]),
            np.full(len(found), count),
        ]
        gaps = np.eye(len(Gap))
        place_columns = [
            gaps[[words[place].before for place in first]],
            gaps[[words[place].after for place in last - 1]],
            first,
            first / count,
            (count - last) / count,
            np.bincount(segment)[segment[first]],
        ]
        about = self._word_features(words, own)  # (count, f)
        between = self._pair_features(words, own)  # (count + 1, p): before each word, and after the last
        sums = np.vstack([np.zeros(about.shape[1]), about.cumsum(axis=0)])
        edged = np.vstack([np.zeros(about.shape[1]), about, np.zeros(about.shape[1])])  # word w is row w + 1
        inner_low, inner_mean = _within(between, first + 1, last)
        return np.column_stack(
            [
                *phrase_columns,
                *place_columns,
                (sums[last] - sums[first]) / length[:, None],
                _within(about, first, last)[0],
                about[first],
                about[last - 1],
                edged[first],
                edged[last + 1],
                np.broadcast_to(about.mean(axis=0), (len(found), about.shape[1])),
                between[first],
                between[last],
                inner_low,
                inner_mean,
            ]
        )

    def _word_features(self, words: list[Token], own: _Own) -> NDArray[np.float64]:
        """(words, f)"""
        keys = hashed(word.key for word in words)
        counts = {table: self.tables[table].of(keys, own.tables[table]) for table in TABLES[:9]}
        kinds = [
            (
                word.text.isupper() and len(word.text) > 1,
                word.text[:1].isupper(),
                any(character.isdigit() for character in word.text),
                word.key.isdecimal(),
                word.key in _EMPTY,
                word.before == Gap.HASH,
                word.before == Gap.AT,
                len(word.text),
                *(word.script == script for script in SCRIPTS),
                *(low <= word.key[0] <= high for low, high in _ALPHABETS),
            )
            for word in words
        ]
        rates = [_log_odds(counts[table], counts["title"], _USUAL[table]) for table in TABLES[3:9]]
        heard = [np.log1p(counts[table]) for table in ("tag", "part", "title")]
        return np.column_stack([*rates, *heard, np.array(kinds, np.float64)])

    def _pair_features(self, words: list[Token], own: _Own) -> NDArray[np.float64]:
        """(words + 1, 4); zeros before the first and after the last."""
        pairs = hashed(f"{left.key} {right.key}" for left, right in pairwise(words))
        join, cut, title, part = (
            self.tables[table].of(pairs, own.tables[table]) for table in ("join", "cut", "title", "part")
        )
        rates = [_log_odds(counts, title, _USUAL[table]) for table, counts in (("join", join), ("cut", cut))]
        inner = np.column_stack([*rates, np.log1p(title), np.log1p(part)])
        return np.vstack([np.zeros(4), inner, np.zeros(4)])


_PHRASE = 2 + 4 + 1 + 1 + 1 + 7 + 7  # leading columns of a span's features that its compositions are given


class TagExtractor:
    """Proposes tags out of a title; all it learnt is arrays and the words of templates."""

    def __init__(self, counted: _Counted, nets: tuple[Net, Net], curves: NDArray[np.float64]) -> None:
        """nets: of spans (is it a tag, is it composed) and of compositions; curves: (2 nets, new or known, 2)."""
        self._counted = counted
        self._nets = nets
        self._curves = curves

    def propose(self, title: str, description: str, limit: int) -> list[NewTag]:
        """At most `limit` tags, the likeliest first; names of the catalog are among them.

        The first line of the description is read where there is no title. A text without words gives an empty list.
        """
        text = _readable(title, description)
        words = tokens(text)
        best: dict[str, NewTag] = {}
        for names, chances in self._chances(text, words):
            for name, (first, last), chance in zip(names.names, names.places, chances.tolist(), strict=True):
                form = normalise(name)
                if form not in best or best[form].probability < chance:
                    best[form] = NewTag(name, chance, text[words[first].start : words[last - 1].end])
        return sorted(best.values(), key=lambda tag: (-tag.probability, tag.name))[:limit]

    def _chances(self, text: str, words: list[Token]) -> Iterator[tuple[_Names, NDArray[np.float64]]]:
        if not words:
            return
        found, simple = self._counted.spans(text, words, _NOBODY)
        odds = self._nets[0](simple.features)
        yield simple, self._probability(0, odds, simple)
        composed = self._counted.compositions(words, found, simple, odds, _NOBODY)
        if composed.names:
            yield composed, self._probability(1, self._nets[1](composed.features), composed)

    def _probability(self, net: int, odds: Floats, names: _Names) -> NDArray[np.float64]:
        slope, intercept = self._curves[net, self._counted.known(names.keys, _NOBODY).astype(int)].T
        return np.asarray(1.0 / (1.0 + np.exp(-(slope * odds[:, 0] + intercept))), np.float64)

    @classmethod
    def fit(
        cls,
        titles: Sequence[str],
        tags_per_video: Sequence[Sequence[str]],
        uploaders: Sequence[str],
        rng: np.random.Generator,
    ) -> "TagExtractor":
        """Learns from V videos with raw tags; those without tags or without words say nothing and are left out.

        Raises ValueError where no span of any title is a tag of its video.
        """
        videos = _videos(titles, tags_per_video, uploaders)
        counted, owns = _count(videos)
        picked = [videos[place] for place in rng.permutation(len(videos))[:LEARNT_FROM]]
        names = sorted({video.uploader for video in picked})
        held = {names[place] for place in rng.permutation(len(names))[: int(HELD_BACK * len(names))]}
        is_held = np.array([video.uploader in held for video in picked])

        words = [tokens(video.text) for video in picked]
        laid = [counted.spans(one.text, some, owns[one.uploader]) for one, some in zip(picked, words, strict=True)]
        truth = [_span_truth(*each) for each in zip(picked, words, laid, strict=True)]
        if not any(rows[:, 0].any() for rows in truth):
            raise ValueError(f"{len(videos)} tagged videos, and no tag stands in its title")
        first = _train([simple.features for _, simple in laid], truth, ~is_held, rng)
        curves = [_curves(counted, owns, first, picked, [simple for _, simple in laid], truth, is_held)]

        some = slice(0, COMPOSED_FROM)
        composed = [
            counted.compositions(tokens_of, found, simple, first(simple.features), owns[video.uploader])
            for video, tokens_of, (found, simple) in zip(picked[some], words[some], laid[some], strict=True)
        ]
        truth = [_is_tag(video, names) for video, names in zip(picked[some], composed, strict=True)]
        second = _train([names.features for names in composed], truth, ~is_held[some], rng)
        curves.append(_curves(counted, owns, second, picked[some], composed, truth, is_held[some]))
        return cls(counted, (first, second), np.array(curves))

    def save(self, folder: Path) -> None:
        """Arrays in extract.npz, words in extract.json; the folder is made where it is not there."""
        counted = self._counted
        arrays: dict[str, NDArray[Any]] = {"curves": self._curves}
        for table, counts in counted.tables.items():
            arrays |= {f"{table}.keys": counts.keys, f"{table}.uploaders": counts.uploaders}
        cues = counted.cues
        arrays |= {"cues.keys": cues.cues.keys, "cues.uploaders": cues.cues.uploaders}
        arrays |= {f"cues.{name}": getattr(cues, name) for name in _CUE_ARRAYS}
        for place, net in enumerate(self._nets):
            arrays |= {f"net{place}.{field.name}": getattr(net, field.name) for field in fields(Net)}
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / "extract.npz", allow_pickle=False, **arrays)
        templates = [[template.prefix, template.suffix] for template in counted.templates]
        words = {"format": FORMAT, "everyone": cues.everyone, "templates": templates}
        (folder / "extract.json").write_text(json.dumps(words, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "TagExtractor":
        """What `save` wrote. Raises ArtifactNotFoundError, ArtifactCorruptError or ArtifactMismatchError."""
        try:
            words = json.loads((folder / "extract.json").read_text(encoding="utf-8"))
            if words["format"] != FORMAT:
                raise ArtifactMismatchError(f"{folder} holds an extractor of format {words['format']}, not {FORMAT}")
            # NumPy leaves a file that is cut short open.
            with (folder / "extract.npz").open("rb") as file, np.load(file, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            tables = {
                name: Counts(arrays[f"{name}.keys"], arrays[f"{name}.uploaders"], _least(name)) for name in TABLES
            }
            title_cues = Counts(arrays["cues.keys"], arrays["cues.uploaders"], _least("cues"))
            pairs = {name: arrays[f"cues.{name}"] for name in _CUE_ARRAYS}
            cues = Cues(title_cues, **pairs, everyone=int(words["everyone"]))
            templates = [Template(prefix, suffix) for prefix, suffix in words["templates"]]
            nets = [Net(*(arrays[f"net{place}.{field.name}"] for field in fields(Net))) for place in range(2)]
            counted = _Counted(tables, templates, cues)
            return cls(counted, (nets[0], nets[1]), arrays["curves"])
        except FileNotFoundError as error:
            raise ArtifactNotFoundError(f"{folder} holds no extractor: {error.filename} is missing") from error
        except (BadZipFile, ValueError, KeyError, TypeError, EOFError) as error:
            raise ArtifactCorruptError(f"{folder} holds no whole extractor: {error}") from error


_CUE_ARRAYS = ("starts", "templates", "together", "users")


def hashed(keys: Iterable[str]) -> Keys:
    """64 bits a key: that any two of a million phrases share one has odds of 1 to 37 million."""
    return np.frombuffer(b"".join(blake2b(key.encode(), digest_size=8).digest() for key in keys), np.uint64)


@dataclass(frozen=True, slots=True, eq=False)
class _Video:
    """A labelled video as it is learnt from."""

    text: str
    tags: frozenset[str]  # normalised
    uploader: str

    @property
    def tag_keys(self) -> set[str]:
        return {key for key in map(key_of, self.tags) if key}


def _videos(titles: Sequence[str], tags_per_video: Sequence[Sequence[str]], uploaders: Sequence[str]) -> list[_Video]:
    if not len(titles) == len(tags_per_video) == len(uploaders):
        raise ValueError(f"{len(titles)} titles, tags of {len(tags_per_video)} videos, {len(uploaders)} uploaders")
    videos = []
    for title, tags, uploader in zip(titles, tags_per_video, uploaders, strict=True):
        text = _readable(title, "")
        words, forms = tokens(text), frozenset(map(normalise, tags)) - {""}
        if words and forms:
            videos.append(_Video(text, forms, uploader))
    return videos


def _readable(title: str, description: str) -> str:
    """The title, or the first line of the description; lone surrogates, which no file takes, are replaced."""
    text = title.strip() or next(filter(None, map(str.strip, description[:CHARACTERS_READ].splitlines())), "")
    return text[:CHARACTERS_READ].encode("utf-8", "replace").decode("utf-8")


def _count(videos: Sequence[_Video]) -> tuple[_Counted, dict[str, _Own]]:
    """All counts, and for each uploader what it added to them."""
    by_uploader: dict[str, list[_Video]] = defaultdict(list)
    for video in videos:
        by_uploader[video.uploader].append(video)
    owned: dict[str, dict[str, Keys]] = {}
    used: dict[str, list[tuple[Keys, set[Template]]]] = {}
    users: Counter[Template] = Counter()
    for uploader, theirs in by_uploader.items():
        seen: dict[str, set[str]] = {table: set() for table in TABLES}
        used[uploader] = []
        for video in theirs:
            words = tokens(video.text)
            _add(video, words, seen)
            used[uploader].append((hashed(_cues(words)), {template for template, _ in _taken_apart(video, words)}))
        owned[uploader] = {table: np.unique(hashed(keys)) for table, keys in seen.items()}
        users.update({template for _, templates in used[uploader] for template in templates})
    tables = {table: _counts((own[table] for own in owned.values()), _least(table)) for table in TABLES}
    ranked = sorted(users.items(), key=lambda item: (-item[1], item[0].prefix, item[0].suffix))
    templates = [template for template, count in ranked[:TEMPLATES] if count >= TEMPLATE_UPLOADERS]

    row_of = {template: row for row, template in enumerate(templates)}
    own_cues = {uploader: np.unique(np.concatenate([keys for keys, _ in u])) for uploader, u in used.items()}
    cues = _counts(own_cues.values(), _least("cues"))
    owns: dict[str, _Own] = {}
    for uploader, theirs_used in used.items():
        rows, pairs = [_NO_ROWS], [_NO_ROWS]
        for keys, some in theirs_used:
            rows.append(np.array([row_of[template] for template in some if template in row_of], np.int64))
            places, found = _look_up(cues.keys, keys)
            pairs.append((places[found][:, None] * len(templates) + rows[-1]).ravel())
        mine = [np.unique(np.concatenate(some)) for some in (rows, pairs)]
        owns[uploader] = _Own(owned[uploader], own_cues[uploader], *mine)
    return _Counted(tables, templates, _cue_counts(cues, [users[one] for one in templates], owns)), owns


def _cue_counts(cues: Counts, users: Sequence[int], owns: Mapping[str, _Own]) -> Cues:
    codes, together = np.unique(np.concatenate([_NO_ROWS, *(own.pairs for own in owns.values())]), return_counts=True)
    codes, together = codes[together >= 2], together[together >= 2]
    starts = np.searchsorted(codes, np.arange(len(cues.keys) + 1) * len(users))
    return Cues(cues, starts, codes % max(len(users), 1), together, np.array(users, np.int64), len(owns))


def _add(video: _Video, words: list[Token], seen: Mapping[str, set[str]]) -> None:
    """Puts the keys of one video into the sets of its uploader."""
    keys = [word.key for word in words]
    tags = video.tag_keys
    seen["tag"] |= tags
    for tag in tags:
        parts = tag.split(" ")
        runs = ((i, j) for i in range(len(parts)) for j in range(i + 1, min(len(parts), i + 5) + 1))
        seen["part"].update(" ".join(parts[i:j]) for i, j in runs if j - i < len(parts))
    for span in spans(video.text, words):
        seen["title"].add(span.key)
        if span.key not in tags:
            continue
        first, last = span.first, span.last
        seen["both"].add(span.key)
        seen["begin"].add(keys[first])
        seen["end"].add(keys[last - 1])
        seen["inside"].update(keys[first:last])
        seen["join"].update(f"{keys[at - 1]} {keys[at]}" for at in range(first + 1, last))
        if first:
            seen["before"].add(keys[first - 1])
            seen["cut"].add(f"{keys[first - 1]} {keys[first]}")
        if last < len(keys):
            seen["after"].add(keys[last])
            seen["cut"].add(f"{keys[last - 1]} {keys[last]}")


def _taken_apart(video: _Video, title_words: Sequence[Token]) -> Iterator[tuple[Template, str]]:
    """For each tag that is a phrase of the title with one or two words around it: these, and the phrase's key."""
    title = f" {' '.join(word.key for word in title_words)} "
    for tag in sorted(video.tags):
        words = tokens(tag)
        keys = [word.key for word in words]
        if len(keys) < 2 or f" {' '.join(keys)} " in title:
            continue
        runs = ((i, i + n) for n in range(len(keys) - 1, max(0, len(keys) - 3), -1) for i in range(len(keys) - n + 1))
        for i, j in runs:
            base = " ".join(keys[i:j])
            if f" {base} " in title and not all(key in _EMPTY for key in keys[i:j]):
                around = (words[:i], words[j:])
                yield Template(*(" ".join(normalise(word.text) for word in some) for some in around)), base
                break


def _cues(words: Sequence[Token]) -> set[str]:
    """Words, and the letters that tell languages apart."""
    letters = {character for word in words for character in word.text.casefold() if not character.isascii()}
    return {word.key for word in words} | {f" {letter}" for letter in letters}  # no word begins with a space


def _span_truth(video: _Video, words: Sequence[Token], laid: tuple[list[Span], _Names]) -> NDArray[np.bool_]:
    """(n, 2) True: the name is a tag; a tag is composed of it."""
    composed = {base for _, base in _taken_apart(video, words)}
    tags = [f" {tag} " for tag in video.tags]
    truth = np.zeros((len(laid[0]), 2), np.bool_)
    for row, (span, name) in enumerate(zip(laid[0], laid[1].names, strict=True)):
        form = normalise(name)
        truth[row] = form in video.tags, span.key in composed and any(f" {form} " in tag for tag in tags)
    return truth


def _is_tag(video: _Video, names: _Names) -> NDArray[np.bool_]:
    """(n, 1)"""
    return np.array([[normalise(name) in video.tags] for name in names.names], np.bool_).reshape(-1, 1)


def _train(
    features: Sequence[Floats], truth: Sequence[NDArray[np.bool_]], is_used: NDArray[np.bool_], rng: np.random.Generator
) -> Net:
    """A net for the videos that are used; features and truth: (n, F) and (n, O) of each video."""
    import torch

    used = [video for video in np.flatnonzero(is_used).tolist() if len(features[video])]
    x = np.concatenate([features[video] for video in used])
    y = np.concatenate([truth[video] for video in used]).astype(np.float32)
    mean = x.mean(axis=0, dtype=np.float64)
    variance = sum(((features[video] - mean) ** 2).sum(axis=0) for video in used) / len(x)
    mean, scale = mean.astype(np.float32), np.maximum(np.sqrt(variance), 1e-3).astype(np.float32)

    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    widths = (x.shape[1], HIDDEN, y.shape[1])
    layers = [torch.randn(a + 1, b, generator=generator) * (2 / a) ** 0.5 for a, b in pairwise(widths)]
    for layer in layers:
        layer[-1] = 0.0
        layer.requires_grad_()
    optimizer = torch.optim.AdamW(layers, lr=RATE, weight_decay=1e-4)
    batches = -(-len(x) // BATCH)
    epochs = max(EPOCHS, -(-STEPS // batches))
    for epoch in range(epochs):
        order = torch.randperm(len(x), generator=generator).numpy()
        for step in range(batches):
            rows = order[step * BATCH : (step + 1) * BATCH]
            optimizer.param_groups[0]["lr"] = RATE * (1 - (epoch * batches + step) / (epochs * batches))
            standard = torch.from_numpy(((x[rows] - mean) / scale).clip(-8.0, 8.0))
            hidden = (standard @ layers[0][:-1] + layers[0][-1]).relu()
            odds = hidden @ layers[1][:-1] + layers[1][-1]
            loss = torch.nn.functional.binary_cross_entropy_with_logits(odds, torch.from_numpy(y[rows]))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        logger.debug("extractor epoch %d: loss %.4f over %d rows", epoch, loss.item(), len(x))
    return Net(mean, scale, layers[0].detach().numpy(), layers[1].detach().numpy())


def _curves(
    counted: _Counted,
    owns: Mapping[str, _Own],
    net: Net,
    videos: Sequence[_Video],
    names: Sequence[_Names],
    truth: Sequence[NDArray[np.bool_]],
    is_held: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """(2, 2): slope and intercept for new names, and for known ones, on the videos held back."""
    held = [video for video in np.flatnonzero(is_held).tolist() if names[video].names]
    odds = np.concatenate([np.zeros(0), *(net(names[video].features)[:, 0] for video in held)])
    is_tag = np.concatenate([np.zeros(0, np.bool_), *(truth[video][:, 0] for video in held)])
    known = np.concatenate(
        [np.zeros(0, np.bool_), *(counted.known(names[video].keys, owns[videos[video].uploader]) for video in held)]
    )
    return np.array([_curve(odds[known == is_known], is_tag[known == is_known]) for is_known in (False, True)])


def _curve(odds: NDArray[np.float64], is_tag: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Slope and intercept by Newton's method, held near (1, 0) as if by a few names: none at all change nothing."""
    x = np.column_stack([odds, np.ones(len(odds))])
    start = np.array([1.0, 0.0])
    curve = start
    for _ in range(20):
        likely = 1.0 / (1.0 + np.exp(-x @ curve))
        gradient = x.T @ (likely - is_tag) + (curve - start)
        curve = curve - np.linalg.solve((x.T * (likely * (1.0 - likely))) @ x + np.eye(2), gradient)
    return curve


def _least(table: str) -> int:
    """Uploaders of a key that is kept: all tags, for a name is known if anyone has it; of the rest what repeats."""
    return {"tag": 1, "cues": 3}.get(table, 2)


def _counts(sets: Iterable[Keys], least: int) -> Counts:
    keys, uploaders = np.unique(np.concatenate([np.zeros(0, np.uint64), *sets]), return_counts=True)
    return Counts(keys[uploaders >= least], uploaders[uploaders >= least], least)


def _look_up(rising: NDArray[np.integer], wanted: NDArray[np.integer]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Where each wanted one would stand, and True where it stands."""
    if not len(rising):
        return np.zeros(len(wanted), np.intp), np.zeros(len(wanted), np.bool_)
    places = np.minimum(np.searchsorted(rising, wanted), len(rising) - 1)
    return places, rising[places] == wanted


def _log_odds(part: Floats, whole: Floats, usual: float) -> Floats:
    """Log of how much likelier than usual, where `_PRIOR` uploaders say usual."""
    share = ((part + _PRIOR * usual) / (np.maximum(whole, part) + _PRIOR)).clip(1e-4, 1 - 1e-4)
    return np.asarray(np.log(share / (1 - share)) - np.log(usual / (1 - usual)), np.float32)


def _within(
    rows: NDArray[np.float64], first: NDArray[np.integer], last: NDArray[np.integer]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n, f) least and mean of rows[first:last] of each of n runs; zeros for empty ones."""
    least, total = np.full((len(first), rows.shape[1]), np.inf), np.zeros((len(first), rows.shape[1]))
    length = last - first
    for offset in range(int(length.max())):
        inside = (offset < length)[:, None]
        row = rows[np.minimum(first + offset, len(rows) - 1)]
        least = np.where(inside, np.minimum(least, row), least)
        total += np.where(inside, row, 0.0)
    return np.where(length[:, None] > 0, least, 0.0), total / np.maximum(length, 1)[:, None]
