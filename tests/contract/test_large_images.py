"""Many images at the limit at once: slow, perhaps, but every one is answered and no worker dies."""

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from attendant.types import Tweet
from attendant.wire.requests import encode_predict_request
from attendant.wire.responses import decode_predict_response

MEBIBYTE = 1 << 20


def test_forty_images_near_the_limit_are_answered(service):
    pixels = np.random.default_rng(0).integers(0, 256, (1800, 1800, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    assert 9 * MEBIBYTE < buffer.tell() < 10 * MEBIBYTE
    request = encode_predict_request("sarcasm", Tweet(image=buffer.getvalue()))
    workers = service.workers()
    with ThreadPoolExecutor(40) as callers:
        answers = list(callers.map(lambda _: service.call("Predict", request, 60), range(40)))
    assert all(decode_predict_response(answer).prediction.label for answer in answers)
    assert service.workers() == workers
