"""Health probe of a running service, grpc.health.v1: exit code 0 if it is SERVING, 1 if not.

Kubernetes probes plain-text services itself; this probe is for Docker, and for services with TLS. It imports gRPC only,
because a probe runs every few seconds.
"""

import argparse
import sys
from pathlib import Path

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", nargs="?", default="127.0.0.1:50051")
    parser.add_argument("--timeout-s", type=float, default=4.0)
    parser.add_argument("--ca", type=Path, help="PEM file of the authority that signed the service's certificate")
    parser.add_argument("--server-name", help="name in the certificate, if it is not that of the address")
    parser.add_argument("--certificate", type=Path, help="PEM file of the probe's own certificate (mutual TLS)")
    parser.add_argument("--key", type=Path)
    arguments = parser.parse_args()
    try:
        with _channel(arguments) as channel:
            answer = HealthStub(channel).Check(HealthCheckRequest(), timeout=arguments.timeout_s)
    except (grpc.RpcError, OSError) as error:
        sys.stderr.write(f"{error.details() if isinstance(error, grpc.Call) else error}\n")
        return 1
    sys.stdout.write(f"{HealthCheckResponse.ServingStatus.Name(answer.status)}\n")
    return 0 if answer.status == HealthCheckResponse.SERVING else 1


def _channel(arguments: argparse.Namespace) -> grpc.Channel:
    if arguments.ca is None:
        return grpc.insecure_channel(arguments.address)
    key, certificate = (file.read_bytes() if file else None for file in (arguments.key, arguments.certificate))
    credentials = grpc.ssl_channel_credentials(arguments.ca.read_bytes(), key, certificate)
    name = [("grpc.ssl_target_name_override", arguments.server_name)] if arguments.server_name else None
    return grpc.secure_channel(arguments.address, credentials, options=name)


if __name__ == "__main__":
    sys.exit(main())
