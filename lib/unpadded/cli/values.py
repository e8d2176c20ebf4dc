"""Values that the sub-commands of the command line take."""


def positive_number(text: str) -> int:
    """A whole number from 1 on, for argparse; raises `ValueError` for anything else."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


positive_number.__name__ = "positive number"  # argparse puts it into its message
