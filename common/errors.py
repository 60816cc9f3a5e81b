"""Errors that are foreseen: their text is for the user."""


class UserError(ValueError):
    """Bad input. The text states the rule, the value and the remedy. The command line prints it and exits with `exit_code`."""

    exit_code = 2


class Unavailable(UserError):
    """A server that the input needs does not answer, or Kubeflow refuses access. The input may be right: a CI job can try again."""

    exit_code = 1


class TrainingFailed(RuntimeError):
    """Training cannot succeed with these settings and this seed: another try would fail in the same way. One sentence."""
