"""What an explanation is kept under: everything that changes the answer, and nothing else."""

import hashlib

from attendant.methods import ExplainOptions
from attendant.v1 import instance_pb2
from attendant.wire.options import encode_options

SCHEMA = "attendant.v1/1"  # raised whenever the same key would mean another answer


def explanation_key(
    model: str,
    version: str,
    weights_digest: str,
    instance: instance_pb2.Instance,
    options: ExplainOptions,
) -> str:
    """SHA-256 (hexadecimal) over the schema, the model, its weights, the input and the options.

    Every part is preceded by its length, so that no two different lists of parts are the same bytes.
    """
    digest = hashlib.sha256()
    for part in (
        SCHEMA.encode(),
        model.encode(),
        version.encode(),
        weights_digest.encode(),
        instance.SerializeToString(deterministic=True),
        encode_options(options).SerializeToString(deterministic=True),
    ):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()
