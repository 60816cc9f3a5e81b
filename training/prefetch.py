"""Preparation of the next steps in threads while the current step computes."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def prefetched(make: Callable[[int], T], first: int, last: int, workers: int) -> Iterator[T]:
    """Yield `make(first)` ... `make(last - 1)` in this order, made by `workers` threads two rounds ahead.

    With 0 workers, each is made on request. The values do not depend on `workers` if `make` depends only on its argument. An
    error of `make` is raised in its place of the order.
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
