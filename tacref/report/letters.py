"""The letter by which a video is called in the report and in `aligned.mp4`."""


def letter(k: int) -> str:
    """Return the letter of video number k: A for the reference; a number after Z."""
    return chr(ord("A") + k) if k < 26 else str(k + 1)
