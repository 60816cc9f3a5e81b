"""Make what the next steps need while this one computes."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def prefetched(make: Callable[[int], T], first: int, last: int, workers: int) -> Iterator[T]:
    """`make(first)` ... `make(last - 1)`, in this order, made by `workers` threads two rounds ahead; 0 makes each when asked.

    What comes does not depend on `workers` where `make` depends on its argument alone. Its errors come in their place.
    """
    if not workers:
        yield from map(make, range(first, last))
        return
    waiting: deque[Future[T]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="prefetch")
    try:
        for number in range(first, last):
            waiting.append(pool.submit(make, number))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
