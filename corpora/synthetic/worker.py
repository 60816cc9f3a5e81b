"""`python -m corpora.synthetic.worker TRAIN TEST VALID SEED FIRST STEP`: every STEPth utterance, starting at FIRST, to stdout."""

import signal
import sys

from corpora.synthetic.lines import Options, draw_lines
from corpora.synthetic.talking_mouth import make, send


def main(arguments: list[str]) -> None:
    """Write the utterances. The process ends silently when the reader has gone. The reader handles an interrupt."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    train, test, valid, seed, first, step = map(int, arguments)
    for line in draw_lines(Options(train=train, test=test, valid=valid, seed=seed))[first::step]:
        send(sys.stdout.buffer, *make(line))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
