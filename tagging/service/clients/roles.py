"""Authorisation: the roles that may call each method of the tagging service.

`tag` is for tagging videos, `label` for the labelled videos that vote on later answers, `edit` for the tags themselves,
`admin` for the bundles. Explanations are for `tag`, which may tag the video anyway, and for `edit`: they show editors
what to change. Every client may list tags, get the bundle and use reflection.
"""

from collections.abc import Mapping

from videotag.v1 import tagging_pb2 as pb

from tagging.errors import ForbiddenError
from tagging.service.clients.clients import ROLES, Client
from tagging.service.config import Role
from tagging.service.contract import Contract

SERVICE: str = pb.DESCRIPTOR.services_by_name["TaggingService"].full_name
REFLECTION = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")

CALLS: Mapping[str, frozenset[Role]] = {
    "TagVideo": frozenset({"tag"}),
    "StreamTagVideos": frozenset({"tag"}),
    "GetTagging": frozenset({"tag"}),
    "ExplainVideo": frozenset({"tag", "edit"}),
    "SubmitFeedback": frozenset({"tag"}),
    "AddLabelledVideo": frozenset({"label"}),
    "RemoveLabelledVideo": frozenset({"label"}),
    "ListTags": ROLES,
    "CreateTag": frozenset({"edit"}),
    "UpdateTag": frozenset({"edit"}),
    "MergeTags": frozenset({"edit"}),
    "UndoTagEdit": frozenset({"edit"}),
    "ListTagEdits": frozenset({"edit"}),
    "GetBundle": ROLES,
    "ActivateBundle": frozenset({"admin"}),
    "ShadowBundle": frozenset({"admin"}),
    "GetChurn": frozenset({"admin"}),
}
TAGGING = Contract(SERVICE, CALLS)


def check(contract: Contract, client: Client, method: str) -> None:
    """Raise ForbiddenError unless the client may call /SERVICE/METHOD; also for a method without an entry."""
    service = method.rpartition("/")[0].removeprefix("/")
    roles = ROLES if service in REFLECTION else contract.roles.get(contract.method_of(method), frozenset())
    if not client.roles & roles:
        needed = " or ".join(sorted(roles)) or "a role that does not exist"
        found = ", ".join(sorted(client.roles))
        raise ForbiddenError(f"{client.name} has the roles {found}, the call needs {needed}")
