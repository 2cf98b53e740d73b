"""A step of the ranker's training against the encoding of as many titles.

Steps are timed as the difference of two trainings, which leaves out what comes before the first step.
"""

from functools import partial

from tagging.bench.figure import Figure, Row
from tagging.bench.plan import Plan
from tagging.bench.timing import Spent, Work, in_turn, median_cpu_s, median_s, ratios
from tagging.bench.training_work import TrainingWork
from tagging.bert import BertShape
from tagging.bundle.manifest import BUNDLE
from tagging.config.rank import NegativesConfig, RankerConfig
from tagging.errors import InvalidConfigError
from tagging.features.factory import load_encoders

TINY_BERT = BertShape(vocabulary=30_522, positions=512, width=312, heads=12, inner=1200, layers=4)
LONGER = 3  # times as many steps has the second training


def measure(plan: Plan) -> list[Figure]:
    """Return the figure of a step, without two-hop and recalled negatives, on titles and frames.

    Raises ArtifactError for a bundle that is missing or damaged, InvalidConfigError for one without a text encoder.
    """
    text = load_encoders(BUNDLE.read(plan.bundle).config.encoders.of_text()).text
    if text is None:
        raise InvalidConfigError(f"{plan.bundle} has no text encoder", "give another --bundle")
    config = RankerConfig(negatives=NegativesConfig(two_hop=0, recalled=0), device="cpu", processes=1, epochs=1e-9)
    work = TrainingWork.drawn(4 * config.batch, plan.sizes.training_tags, TINY_BERT, plan.seed)
    steps, titles = plan.sizes.training_steps, [title.text for title in plan.titles()]
    batch = (titles * (config.batch // len(titles) + 1))[: config.batch]

    def train(count: int, _: int) -> None:
        work.train(config, count, plan.seed)

    sides: dict[str, Work] = {
        "short": partial(train, steps),
        "long": partial(train, LONGER * steps),
        "encode": lambda _: text.encode(batch),
    }
    sides["encode"](0)
    with plan.progress.track("train and encode", plan.repeats * len(sides)) as advance:
        spent = in_turn(sides, plan.repeats, advance)
    step = [_step(short, long, (LONGER - 1) * steps) for short, long in zip(spent["short"], spent["long"], strict=True)]
    row: Row = {
        "videos in a step": config.batch,
        "negatives": config.negatives.drawn,
        "s / step": round(median_s(step), 3),
        "CPU s / step": round(median_cpu_s(step), 3),
        "s to encode the titles": round(median_s(spent["encode"]), 3),
    }
    meaning = f"step of {config.batch} videos / encoding of their titles"
    return [Figure("training", meaning, *ratios(step, spent["encode"]), (row,))]


def _step(short: Spent, long: Spent, steps: int) -> Spent:
    return Spent((long.elapsed_s - short.elapsed_s) / steps, (long.cpu_s - short.cpu_s) / steps)
