"""The one exception that means: the caller's input is wrong."""


class InputError(ValueError):
    """The caller's input is wrong.

    The message is one sentence that names the input, the place and the mend; the command line prints it on one line and
    ends with exit status 2.
    """
