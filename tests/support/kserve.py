"""A server of Triton's protocol in this process, with TLS or without: one text model that sums its ids."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc

DIM = 2  # of the rows: the sum of a text's ids, and their number
FINGERPRINT = "sums"
ADDRESS = "127.0.0.1"


class _Sums(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc, unused-ignore]
    def ModelConfig(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        response = service_pb2.ModelConfigResponse()
        response.config.name = request.name
        response.config.parameters["fingerprint.1"].string_value = FINGERPRINT
        return response

    def ModelInfer(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        ids, mask = (
            np.frombuffer(content, dtype).reshape(tensor.shape)
            for tensor, content, dtype in zip(request.inputs, request.raw_input_contents, ("i4", "?"), strict=True)
        )
        rows = np.stack([(ids * mask).sum(axis=1), mask.sum(axis=1)], axis=1).astype(np.float32)
        response = service_pb2.ModelInferResponse(model_name=request.model_name, raw_output_contents=[rows.tobytes()])
        response.outputs.add(name="row", datatype="FP32", shape=rows.shape)
        return response


@contextmanager
def serving(credentials: grpc.ServerCredentials | None, port: int = 0) -> Iterator[int]:
    """Serve on loopback while the context lasts; yields the port."""
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(_Sums(), server)
    address = f"{ADDRESS}:{port}"
    bound = server.add_insecure_port(address) if credentials is None else server.add_secure_port(address, credentials)
    server.start()
    try:
        yield bound
    finally:
        server.stop(None).wait()
