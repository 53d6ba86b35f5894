"""Numbers of things in sentences: one place says when a noun takes its s.

Only for nouns that take one; others are written out where they stand.
"""


def count_of(number: int, noun: str) -> str:
    """A number of things.

    Examples
    --------
    >>> count_of(1, "seed"), count_of(2, "seed"), count_of(1500, "step")
    ('1 seed', '2 seeds', '1,500 steps')
    """
    return f"{number:,} {noun}{'s' * (number != 1)}"
