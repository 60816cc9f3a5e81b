"""Exit codes of every command; 0 on success."""

FAILED = 1  # a run, a trial or a server failed
BAD_INPUT = 2
GATE_FAILED = 3
INTERRUPTED = 130  # by Ctrl-C, as shells count it
