"""What an explanation is kept under: everything that changes the answer, and nothing else."""

import hashlib

from attendant.methods import ExplainOptions
from attendant.v1 import instance_pb2
from attendant.wire.options import encode_options

SCHEMA = "attendant.v1/2"  # raised whenever the same key would mean another answer


def explanation_key(
    model: str,
    version: str,
    weights_digest: str,
    instance_digest: bytes,
    options: ExplainOptions,
) -> str:
    """SHA-256 (hexadecimal) over the schema, the model, its weights, the input's own digest and the options.

    Every part is preceded by its length, so that no two different lists of parts are the same bytes.
    """
    digest = hashlib.sha256()
    for part in (
        SCHEMA.encode(),
        model.encode(),
        version.encode(),
        weights_digest.encode(),
        instance_digest,
        encode_options(options).SerializeToString(deterministic=True),
    ):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def digest_instance(instance: instance_pb2.Instance) -> bytes:
    """SHA-256 of what is asked about; 10 MB, the largest photograph, take 6 ms."""
    return hashlib.sha256(instance.SerializeToString(deterministic=True)).digest()
