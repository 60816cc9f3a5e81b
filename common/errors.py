"""The one exception that means: the user's input is wrong."""


class UserError(ValueError):
    """Bad input. Its text states the rule, the offending value and the remedy; the CLI prints it and exits with `exit_code`."""

    exit_code = 2


class Unavailable(UserError):
    """Nothing is wrong with the input, and something that it needs is away or lets nobody in: a CI job may try again."""

    exit_code = 1
