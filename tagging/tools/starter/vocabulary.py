"""The starter vocabulary: names from public label lists, written the way people write tags, without duplicates.

Each list has its own reader, which yields `Name`s; `merge` combines names that differ only in number, case or hyphens
into one entry. The lists and their licences are described in tagging/starter/README.md.
"""

import csv
import gzip
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tagging.text.english import singular
from tagging.text.normalise import normalise
from tagging.text.words import split_words

MOST_WORDS = 5
MOST_CHARACTERS = 40
COMMON_FROM = 3  # a word in lower case in so many descriptions of other things is a common word, not a proper name

# Freebase verticals whose capitalised entries are mostly generic things, not products of one maker.
_EVERYDAY = {
    "Beauty & Fitness",
    "Food & Drink",
    "Health",
    "Hobbies & Leisure",
    "Home & Garden",
    "Pets & Animals",
    "Science",
    "Sports",
}
_MAKER = re.compile(r"\b(brand|company|corporation|manufactur\w+|trademark|fictional|series|franchise|game)\b")
_PARENTHESES = re.compile(r"\s*\([^)]*\)")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")

# Name -> the more searched name with the same meaning.
SYNONYMS = {
    "aeroplane": "airplane",
    "airplane aviation": "airplane",
    "armour": "armor",
    "association football": "soccer",
    "automobile": "car",
    "barbequing": "barbecue",
    "barbecuing": "barbecue",
    "bike": "bicycle",
    "biking": "cycling",
    "bicycling": "cycling",
    "beatboxing": "beat boxing",
    "cellphone": "mobile phone",
    "cell phone": "mobile phone",
    "football american": "american football",
    "gridiron football": "american football",
    "hip hop": "hip hop music",
    "jewellery": "jewelry",
    "motorbike": "motorcycle",
    "motor vehicle": "vehicle",
    "photograph": "photography",
    "telly": "television",
    "tv": "television",
}
# Words of the lists that are useless as tags of a video: parts of actions, onomatopoeia, and units.
DULL = frozenset(
    normalise(name)
    for name in """
    acoustic environment;adult;aiming;air brake;al dente;angle;asking;attaching;bang;bay;beat;being;bending;boing;boom;
    blare;blocking;bow-wow;brand;breaking;brief tone;bringing;busy signal;buttoning;buzz;buying;caffeine;calling;
    carrying;caw;change ringing;channel;chink;chop;citric acid;clang;class;clatter;cleft;clearing;click;clicking;
    clickety-clack;clink;clinging;clip-clop;closing;clunk;cluck;colliding;combusting;commodity;community;complexion;
    coo;court;covering;crack;crackle;creak;crew;croak;crouching;cylinder;descending;destroying;digestive;ding;ding-dong;
    dipping;discussing;doubles;dragging;drenching;drip;dropping;drone;dub;echo;effects unit;emptying;energy;ensemble;
    entering;erg;exiting;extra;falling;field recording;fill;filling;filing;fizz;flap;flicking;flipping;flow;flowing;
    fluid;flyweight;forward;font;frowning;gasp;gears;generic impact sounds;giving;gobble;grind;gripping;groan;grunt;
    guarding;gurgling;gush;hands;hanging;harmonic;heat;hiss;hitting;honk;hoot;howl;hubbub;hum;human behavior;
    human group actions;human locomotion;idling;imitating;individual sports;infrasound;injecting;inside;instructing;
    interaction;inventory;jingle;job;joining;knock;landing;launching;leaning;leaking;lifting;light;line;locking;loop;
    mains hum;management;measuring;mechanisms;medal play;match play;miscellaneous sources;mixture;moo;music mood;
    music role;musical concepts;natural sounds;neigh;noise;nicker;number;official;oink;opening;operating;
    organism;other sourceless;outside;overflowing;packing;pant;parts;patter;paying;people;peeling;picking;ping;
    pint;pitching;placing;plane;plop;plunging;pointing;pouring;pour;preaching;pressing;pulling;pulleys;pulse;
    punting;purr;puff;pushing;putting;quack;queuing;raising;rapid;reaching;recording;recreation;removing;resting;
    reverberation;reversing beeps;rinsing;rising;roar;rocking;roll;rolling;rose order;rub;rubbing;rumble;run;rustle;
    scrape;scratch;scratching;selling;service;serving;shade;shaking;shatter;shoal;shout;shrugging;shuffle;sidetone;
    singles;sitting;sizzle;skipping;slam;slap;sliding;slipping;slosh;slouching;smack;smash;smelling;snap;snapping;
    sniff;snort;social group;socializing;sound effect;sound equipment;sound reproduction;sounds of things;
    source-ambiguous sounds;specific impact sounds;spilling;spinning;splash;splatter;splinter;splitting;spoor;spray;
    spreading;sprinkling;squawk;squeak;squeal;squatting;squinting;squish;stacking;standing;starting;static;stealing;
    steering;stirring;stir;stomping;stopping;storming;stretching;stroking;strum;submerging;surface contact;swerving;
    swinging;symmetry;talking;tap;taping;tapping;tearing;tender music;throbbing;throwing;thud;thump;thunk;tick;
    tick-tock;toot;transparency and translucency;tread;trickle;trimming;tripping;troop;turning;
    twang;twisting;tying;unloading;
    unpacking;vibration;vroom;wail;waking;walk;waste;waving;wetting;whack;wheeze;whimper;whip;whir;whoop;whoosh;
    winking;wobble;working;wrapping;yell;yip;youth;zing;cool;fun;happy;classic;calm;layered hair;hunky;elder;moist;
    drama;sweetness;floating;freezing;boiling;inflatable;laminate;leisure;art paper;origami paper;game mechanics;
    electric windows;power windows;doing;making;800 metres;medical;symbol;
    environmental noise;background noise;white noise;pink noise;vehicle horn;etc
    """.replace("\n", " ").split(";")
)


@dataclass(frozen=True, slots=True)
class Name:
    """One entry of a list. A proper name names one make, work, person or place."""

    text: str
    weight: int = 1  # frequency of use, if the list states it
    proper: bool = False
    seen: bool = True  # may be proposed for frames, if the vision encoder knows it
    heard: bool = True


def read_lists(annotations: Path) -> dict[str, list[Name]]:
    """Return the names of each list, by the path of the list within the folder."""
    read = {
        "youtube8m/vocabulary.csv.gz": _youtube8m,
        "audioset/ontology.json.gz": _audioset,
        "audioset/class_labels_indices.csv.gz": _audioset_labels,
        "vggsound/class_counts.csv": _vggsound,
        "label_lists/hvu_tags.json": _hvu,
        "label_lists/kinetics700.txt": _actions,
        "label_lists/kinetics600.txt": _actions,
        "label_lists/kinetics400.txt": _actions,
        "label_lists/ucf101.txt": _actions,
        "label_lists/hmdb51.txt": _actions,
        "label_lists/activitynet.txt": _actions,
        "label_lists/moments_in_time.txt": _actions,
        "label_lists/multi_moments_in_time.txt": _actions,
        "youtube_categories_US.json": _categories,
    }
    return {path: list(reader(annotations / path)) for path, reader in read.items()}


def read_anchors(path: Path) -> list[str]:
    """Return the names of an encoder's classes and their general words, without classes unfit as tags ("thud").

    A CSV with the columns name, words (joined by semicolons), and optionally tag (yes or no).
    """
    with path.open(encoding="utf-8", newline="") as file:
        table = [row for row in csv.DictReader(file) if row.get("tag") != "no"]
    rows = [[row["name"], *row["words"].split(";")] for row in table]
    return list(dict.fromkeys(word.strip() for row in rows for word in row if word.strip()))


@dataclass(frozen=True, slots=True)
class Entry:
    """A tag of the vocabulary."""

    name: str
    aliases: tuple[str, ...]
    weight: int
    seen: bool
    heard: bool


def merge(lists: Iterable[Sequence[Name]], seen_names: Sequence[str], heard_names: Sequence[str]) -> list[Entry]:
    """Return one entry per group of equivalent names, heaviest first, then by name.

    Names of encoder classes are common names regardless of the lists. Other proper names are neither seen nor heard,
    and are left out if they are everyday words as well.
    """
    own = [[Name(name, heard=False) for name in seen_names], [Name(name, seen=False) for name in heard_names]]
    spelt = {_key(name): name for name in (*heard_names, *seen_names)}
    groups: dict[tuple[str, ...], list[Name]] = {}
    for names in [*own, *lists]:
        for name in names:
            text = " ".join(name.text.split())
            words = split_words(text)
            is_long = len(words) > MOST_WORDS or len(text) > MOST_CHARACTERS
            if words and not is_long and normalise(text) not in DULL and any(len(word) > 1 for word in words):
                groups.setdefault(_key(text), []).append(replace(name, text=text))
    entries = [_entry(names, spelt.get(key)) for key, names in groups.items()]
    return sorted(entries, key=lambda entry: (-entry.weight, entry.name))


def _entry(names: Sequence[Name], own: str | None) -> Entry:
    """Build the entry of a group; own: the spelling of the encoders, which then is the name of the tag."""
    is_proper = own is None and any(name.proper for name in names)
    spelt = Counter(name.text if is_proper else _uncapitalised(name.text) for name in names)
    for plural, singular_form in _number_pairs(spelt):
        spelt[singular_form] += spelt[plural]  # "dogs" counts for "dog"
    forms = sorted(spelt, key=lambda text: (-spelt[text], len(text), text))
    name = own or next((SYNONYMS[form] for form in forms if form in SYNONYMS), forms[0])
    others = {normalise(form): form for form in reversed(forms) if normalise(form) != normalise(name)}
    return Entry(
        name,
        tuple(reversed(others.values())),
        sum(member.weight for member in names),
        seen=not is_proper and any(member.seen for member in names),
        heard=not is_proper and any(member.heard for member in names),
    )


def _number_pairs(spelt: Mapping[str, int]) -> list[tuple[str, str]]:
    return [(a, b) for a in spelt for b in spelt if a != b and len(a) > len(b) and a.startswith(b[:-1])]


def _key(text: str) -> tuple[str, ...]:
    form = normalise(text)
    return tuple(map(singular, split_words(SYNONYMS.get(form, form))))


def _uncapitalised(text: str) -> str:
    """Undo the sentence case of the lists: "Ice hockey" becomes "ice hockey"; "BMX" and "Christmas tree" stay."""
    words = text.split(" ")
    is_capital = text[:1].isupper() and not text[1:2].isupper() and not any(char.isdigit() for char in text)
    return text[:1].lower() + text[1:] if is_capital and words[0] not in _CAPITALISED else text


_CAPITALISED = frozenset(
    re.findall(
        r"\w+",
        """
        African American Arabic Asian Australian Bollywood Brazilian Bible British Canadian Chinese
        Christian Christmas Cuban Dutch Easter Egyptian English European French German Greek Halloween
        Hawaiian Hindu Indian Indonesian Irish Islamic Italian Japanese Jewish Korean Latin Mexican
        Middle Moroccan Persian Polish Portuguese Roman Rubik Russian Scottish Siberian Spanish Swiss
        Thai Turkish Velcro Vietnamese Welsh Yorkshire
        """,
    )
)


def _youtube8m(path: Path) -> Iterator[Name]:
    """Read the entities of YouTube-8M, which are named by their Wikipedia article."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["Name"]]
    in_lower_case = Counter(word for row in rows for word in set(re.findall(r"\b[a-z]+\b", row["WikiDescription"])))
    for row in rows:
        name = re.sub(r" as food$", "", _PARENTHESES.sub("", row["Name"]))
        name = re.sub(r"^I(?=P(ad|hone|od)\b)", "i", name)
        starts_common = in_lower_case[name.casefold().split()[0]] >= COMMON_FROM
        is_common = _is_common(name, row["WikiDescription"], row["Vertical1"], starts_common)
        is_everyday_word = in_lower_case[name.casefold()] >= COMMON_FROM
        if is_common or not is_everyday_word:
            yield Name(name, weight=int(row["TrainVideoCount"]), proper=not is_common)


def _is_common(name: str, description: str, vertical: str, starts_common: bool) -> bool:
    rest = name[1:]
    if rest != rest.lower() or any(char.isdigit() for char in name):
        return False
    if " " in name:
        return starts_common  # "Performance art"; not "Kawasaki motorcycles"
    if re.search(rf"\b{re.escape(name.lower())}(s|es)?\b", description):  # "A pencil case is …"; never "Cadillac"
        return True
    return vertical in _EVERYDAY and not _MAKER.search(description[:300])


def _audioset(path: Path) -> Iterator[Name]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for node in json.load(file):
            if "abstract" not in node["restrictions"]:
                yield from _alternatives(node["name"])


def _audioset_labels(path: Path) -> Iterator[Name]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.reader(file):
            yield from _alternatives(row[2])


def _alternatives(display_name: str) -> Iterator[Name]:
    for part in _PARENTHESES.sub("", display_name).split(","):
        yield Name(part.strip(), seen=False)


def _vggsound(path: Path) -> Iterator[Name]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.reader(file):
            yield Name(_PARENTHESES.sub("", row[0]).split(",")[0], seen=False)


def _hvu(path: Path) -> Iterator[Name]:
    """Read Holistic Video Understanding; underscores stand for spaces, and for the parentheses of a disambiguation."""
    for category, tags in json.loads(path.read_text(encoding="utf-8")).items():
        is_thing = category != "action"
        for tag in tags:
            text = " ".join(tag.split("_")[:-2] if tag.endswith("_") else tag.split("_"))
            yield Name(text, proper=any(char.isdigit() for char in text), seen=is_thing, heard=is_thing)


def _actions(path: Path) -> Iterator[Name]:
    """Read labels of action data sets; encoders of single pictures and seconds recognise things, not actions."""
    for line in path.read_text(encoding="utf-8").splitlines():
        text = _CAMEL.sub(" ", _PARENTHESES.sub("", line).replace("_", " ").replace("+", " "))
        yield Name(text.lower() if " " not in line else text, seen=False, heard=False)


def _categories(path: Path) -> Iterator[Name]:
    for item in json.loads(path.read_text(encoding="utf-8"))["items"]:
        for part in re.split(r" & |/", item["snippet"]["title"]):
            yield Name(part, seen=False, heard=False)
