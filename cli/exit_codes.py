"""Exit codes of every command."""

SUCCESS = 0
FAILED = 1
BAD_INPUT = 2
GATE_FAILED = 3
INTERRUPTED = 130  # by Ctrl-C, as shells count it

MEANINGS = {
    SUCCESS: "success",
    FAILED: "a run, a trial or a server failed, or a check found a fault",
    BAD_INPUT: "bad input; one sentence on stderr says what is wrong",
    GATE_FAILED: "the gate failed",
    INTERRUPTED: "stopped by Ctrl-C",
}
