"""Selection of tags: a bundle's own limits on an answer, and those that a caller gives instead."""

from dataclasses import dataclass

from tagging.config.root import SelectConfig
from tagging.pipeline.precision import PrecisionThresholds


@dataclass(frozen=True, slots=True, eq=False)
class Selector:
    """The selection of a bundle, and how a caller may change it."""

    default: SelectConfig
    thresholds: PrecisionThresholds

    def selection(
        self, max_tags: int | None, precision: float | None = None, min_confidence: float | None = None
    ) -> SelectConfig:
        """Return the bundle's selection with the values that are given.

        precision: least share of correct tags among those answered; replaces min_confidence
            (rank/precision_control.py defines the guarantee). If no confidence reaches it, every answer is empty.
        Raises what PrecisionThresholds.apply raises.
        """
        given = {"max_tags": max_tags, "min_confidence": min_confidence}
        selection = self.default.model_copy(update={name: value for name, value in given.items() if value is not None})
        return selection if precision is None else self.thresholds.apply(selection, precision)
