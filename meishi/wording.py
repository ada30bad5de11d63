"""Words that messages share."""


def counted(number: int, what: str) -> str:
    """Say how many: "1 photo", "2 photos"."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
