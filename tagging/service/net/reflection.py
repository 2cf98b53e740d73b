"""Server reflection in both versions of its protocol: newer clients ask for v1, whose messages equal v1alpha's."""

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2
from grpc_reflection.v1alpha.reflection_pb2_grpc import add_ServerReflectionServicer_to_server

VERSIONS = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")


def add_reflection(server: grpc.aio.Server, services: tuple[str, ...]) -> None:
    """Let clients list the services and read their definitions; reflection lists itself too."""
    servicer = reflection.aio.ReflectionServicer((*services, *VERSIONS))
    add_ServerReflectionServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]
    v1 = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(VERSIONS[0], {"ServerReflectionInfo": v1}),))
