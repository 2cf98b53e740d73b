"""Roles: every call of the service lists the roles that may make it."""

import pytest
from videotag.v1 import tagging_pb2 as pb

from tagging.errors import ForbiddenError
from tagging.service.clients.clients import ROLES, Client
from tagging.service.clients.roles import CALLS, REFLECTION, SERVICE, TAGGING, check
from tagging.service.config import Role


def allowed(role: Role, method: str) -> bool:
    try:
        check(TAGGING, Client("c", frozenset({role})), method)
    except ForbiddenError:
        return False
    return True


def test_every_call_of_the_proto_has_its_roles() -> None:
    assert set(CALLS) == {method.name for method in pb.DESCRIPTOR.services_by_name["TaggingService"].methods}
    assert all(CALLS.values())


@pytest.mark.parametrize("role", sorted(ROLES))
def test_a_role_allows_its_calls_and_no_others(role: Role) -> None:
    calls = {call for call in CALLS if allowed(role, f"/{SERVICE}/{call}")}
    own = {
        "tag": {"TagVideo", "StreamTagVideos", "GetTagging", "ExplainVideo", "SubmitFeedback"},
        "label": {"AddLabelledVideo", "RemoveLabelledVideo"},
        "edit": {"ExplainVideo", "CreateTag", "UpdateTag", "MergeTags", "UndoTagEdit", "ListTagEdits"},
        "admin": {"ActivateBundle", "ShadowBundle", "GetChurn"},
        "recommend": set(),
    }
    assert calls == own[role] | {"ListTags", "GetBundle"}


@pytest.mark.parametrize("service", REFLECTION)
def test_every_client_may_use_reflection(service: str) -> None:
    assert all(allowed(role, f"/{service}/ServerReflectionInfo") for role in ROLES)


@pytest.mark.parametrize(
    "method", ["/videotag.v1.TaggingService/Else", "/videotag.v2.TaggingService/TagVideo", "TagVideo", "", "//TagVideo"]
)
def test_a_call_without_roles_is_allowed_to_no_client(method: str) -> None:
    assert not any(allowed(role, method) for role in ROLES)


def test_the_error_names_the_required_roles() -> None:
    with pytest.raises(ForbiddenError, match=r"^viewer has the roles label, tag, the call needs edit$"):
        check(TAGGING, Client("viewer", frozenset({"tag", "label"})), f"/{SERVICE}/MergeTags")
