"""The function words whose rates are habits."""

FUNCTION_WORDS: tuple[str, ...] = tuple(
    """
    the to and of a i in it that you is for not be on with this have but as so we are at was all if or my your
    do from me by just can they what will one there would he an about which no when out them more now up
    any our like how some his had get then been her only their has who than its too also were could over see very
    other us here these into should well still him most might where why first after before because many much such
    though she must own am while both those being again through back off down another did may same every
    between always never around something nothing anything everything already really quite rather maybe perhaps
    probably even ever almost enough yet since until without against under upon whether however
    few each often once none during
    """.split()  # noqa: SIM905
)
"""150 common English words that carry grammar and not topic, about the commonest first."""
