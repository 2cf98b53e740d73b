"""Contract of a gRPC service: its name, and the roles that may make each of its calls."""

from collections.abc import Mapping
from dataclasses import dataclass

from tagging.service.config import Role

OTHER = "other"  # a path that is none of its methods


@dataclass(frozen=True, slots=True)
class Contract:
    """A service of the protos."""

    service: str  # full name
    roles: Mapping[str, frozenset[Role]]  # by method; each has one role at least

    @property
    def methods(self) -> tuple[str, ...]:
        return tuple(self.roles)

    def method_of(self, path: str) -> str:
        """Return "TagVideo" for "/videotag.v1.TaggingService/TagVideo", "other" for a path that is no method."""
        name = path.removeprefix(f"/{self.service}/")
        return name if name in self.roles and name != path else OTHER
