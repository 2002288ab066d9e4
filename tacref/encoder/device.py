"""Checking torch devices."""

import torch


def check_device(name: str) -> torch.device:
    """Return a torch device after a computation on it has succeeded.

    Parameters
    ----------
    name : str
        Such as "cpu", "cuda" or "cuda:1".

    Raises
    ------
    ValueError
        If there is no such device, or torch cannot compute on it here.
    """
    try:
        device = torch.device(name)
        torch.ones(1, device=device).add(1).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).split(". ")[0].splitlines()[0][:120]
        raise ValueError(f"device {name!r}: torch cannot compute on it here ({reason})") from None
    return device
