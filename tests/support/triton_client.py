"""A client of Triton that answers by functions, for tests without a server."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagging.features.triton.availability import Availability
from tagging.features.triton.client import Request

Answer = Callable[..., NDArray[np.float32] | Mapping[str, NDArray[np.float32]]]


class FunctionClient:
    """Answers each request by the function of its model, or by the only one, from the inputs by name.

    A function returns the outputs by name, or the only output.
    """

    def __init__(self, answers: Answer | Mapping[str, Answer]) -> None:
        self.url = "grpc://test"
        self.availability = Availability()
        self.requests: list[Request] = []
        self.fingerprints: dict[str, str] = {}  # of version 7 of each model
        self._answers = answers

    def model_config(self, model: str) -> dict[str, Any]:
        return {"name": model, "parameters": {"fingerprint.7": {"string_value": self.fingerprints.get(model, "")}}}

    def infer(self, requests: Sequence[Request]) -> list[Mapping[str, NDArray[np.float32]]]:
        self.requests += requests
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Mapping[str, NDArray[np.float32]]:
        answer = self._answers if callable(self._answers) else self._answers[request.model]
        found = answer(**request.inputs)
        return found if isinstance(found, Mapping) else {request.outputs[0]: found}
