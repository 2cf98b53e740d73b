"""English words: the common form of a noun and its plural, and words that say nothing about a video."""

_NO_PLURALS = frozenset(("arts", "glasses", "goods", "lens", "means", "news", "species", "series"))
_IRREGULAR = {
    "buses": "bus",
    "children": "child",
    "feet": "foot",
    "geese": "goose",
    "halves": "half",
    "knives": "knife",
    "leaves": "leaf",
    "men": "man",
    "mice": "mouse",
    "shelves": "shelf",
    "teeth": "tooth",
    "wolves": "wolf",
    "women": "woman",
}
_OE = frozenset(("aloes", "canoes", "does", "foes", "hoes", "oboes", "tiptoes", "toes"))  # and all shoes


def singular(word: str) -> str:
    """Return the common form of an English noun and its plural; apply it to both sides of a comparison."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) > 4 and word.endswith(("ies", "ie")) and word not in _NO_PLURALS:
        return word.removesuffix("s").removesuffix("ie") + "y"  # also movie: "movies" is ambiguous
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")) or word in _NO_PLURALS:
        return word
    is_oe = word in _OE or word.endswith("shoes")
    return word[:-2] if word.endswith(("ches", "shes", "xes", "sses", "oes")) and not is_oe else word[:-1]


# Words that are used as tags but carry no information about a video.
_EMPTY = """
    a about after again all also always am an and another any anyone anything are around as at away back be
    because been before behind being below best better between big both but by call came can come could day days
    did different do does doing done down each easy end enough even ever every everyone everything extra far few
    find first for free from full fun get getting give go goes going gone gonna good got great had happy hard
    has have having he here hey hi high him his hit hot how i if in inside into is it its just keep know large
    last least left less let life like little live long look lot lots love made make making man many may me mean
    might more most much must my near need never new next nice no non not nothing now of off official ok old on
    once one only open or other our out over own part people perfect play playing please put ready real really
    right same say see seen set she should show simple small so some someone something soon special start still
    stop stuff such super sure take taking than that the their them then there these they thing things this
    those three through time to today together tomorrow tonight too top total try trying turn two type under
    until up update us use used using very video videos vs want was watch watching way we well went were what
    when where which while who whole why will wish with without word words work working world would wow year
    years yes yesterday yet you your yours
    """
EMPTY = frozenset(_EMPTY.split())
