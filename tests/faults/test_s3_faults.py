"""A corpus in a real S3 whose answers get lost or fail: it is fetched whole, or not at all."""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fault_proxy import ERRORS, LOST, FaultProxy
from injection.chain import record
from injection.facts import Reference, litter, numbers
from injection.processes import end_all
from injection.study import Place

FULL = bool(os.environ.get("ABLATE_FAULT_FULL"))
RECORD = os.environ.get("ABLATE_FAULT_RECORD")
SEED = int(os.environ.get("ABLATE_FAULT_SEED", "1"))


@pytest.fixture
def pushed(bucket: str, reference: Reference, tmp_path: Path) -> Iterator[Place]:
    """A folder whose plan names a corpus that was pushed to S3."""
    address = f"s3://{bucket}/corpus"
    place = Place.new(tmp_path / "place", corpus=address)
    sent = place.finish("corpus", "push", str(reference.place.cache), address)
    assert sent.code == 0, sent.said
    yield place
    end_all(place.root)


@pytest.mark.slow
@pytest.mark.skipif(not FULL, reason="takes minutes: set ABLATE_FAULT_FULL=1")
@pytest.mark.parametrize("mode", [ERRORS, LOST])
def test_a_corpus_is_fetched_from_a_bad_s3(mode: str, pushed: Place, reference: Reference) -> None:
    port = urlsplit(os.environ["AWS_ENDPOINT_URL_S3"]).port
    assert port is not None
    with FaultProxy(port, mode, 0.3, SEED, keep_host=True) as proxy:
        run = pushed.finish(AWS_ENDPOINT_URL_S3=proxy.address, AWS_MAX_ATTEMPTS="5")
    record(RECORD, s3=mode, code=run.code, seconds=run.seconds, done=dict(proxy.done), said=run.last)
    assert (run.code, "Traceback" in run.said) == (0, False), run.said
    assert numbers(pushed) == reference.numbers
    assert litter(pushed) == []
