"""Names of the figures of `videotag bench`, which help prints without the libraries that measure them."""

FIGURES = {
    "ingest": "videos/s end to end over those of the slowest stage alone",
    "loop": "videos/s over those of a loop written with the libraries' READMEs, with the peak memory of both",
    "title": "recall and rank of one title over the encoding of it, by channel",
    "encoders": "share of each encoder in the encoding of a video",
    "runtimes": "encoders on torch over those on OpenVINO, with the largest angle of their vectors",
    "decode": "cost of decoding against the duration of the video",
    "search": "time of the default index over exact search, with recall and memory",
    "growth": "cost of recall against labelled videos and tags, of a batch against rows",
    "start": "start of a command over the start of Python",
    "training": "a step of the ranker's training over the encoding of as many titles",
}
ONLY_FULL = frozenset({"training"})  # measured by --full, or where it is named
