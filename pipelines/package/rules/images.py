"""Images of the steps."""

import re
from collections.abc import Iterator

from pipelines.package.rules.places import PLACEHOLDER

DEFAULT_IMAGE = re.compile(r"python:3\.\d+")  # kfp's choice if a component names no image
REFERENCE = re.compile(
    r"(?:[A-Za-z0-9.-]+(?::\d+)?/)?"  # registry
    r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*"  # repository
    r"(?::(?P<tag>\w[\w.-]{0,127}))?"
    r"(?P<digest>@sha256:[0-9a-f]{64})?"
)
MOST_STEPS = 3


def image(image: str, steps: list[str]) -> Iterator[str]:
    """Check an image. The nodes of a cluster keep an image by its name."""
    where = f"image {image!r} of {_named(list(dict.fromkeys(steps)))}"
    if PLACEHOLDER.search(image):
        return
    if not image or DEFAULT_IMAGE.fullmatch(image):
        yield f"every step names its image: {where} is kfp's choice for a step without one; pass base_image, or --image"
        return
    reference = REFERENCE.fullmatch(image)
    if not reference:
        yield f"an image is REPOSITORY:TAG in lower case: {where} is not; correct it, e.g. --image registry/ablate-python:1a2b3c4"
    elif not reference["digest"] and reference["tag"] in (None, "latest"):
        yield (
            f"an image has a digest, or a tag that identifies its code: {where} can change while the nodes "
            "keep the old one by its name; tag it with its git revision, e.g. --image registry/ablate-python:1a2b3c4"
        )


def _named(steps: list[str]) -> str:
    """E.g. `train, score`, `train, score, compare and 5 more steps`."""
    more = len(steps) - MOST_STEPS
    rest = f" and {more} more step{'s' if more > 1 else ''}" if more > 0 else ""
    return f"{', '.join(steps[:MOST_STEPS])}{rest}"
