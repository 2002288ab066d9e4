"""The proof as a tool: hold any implementation of these losses against what is right.

`check` writes a report card, `assert_loss_correct` is for tests; `python -m tacref.verify` is both
on the command line.
"""

from tacref.verify.card import assert_loss_correct, check
from tacref.verify.report import Report, Row

__all__ = ["Report", "Row", "assert_loss_correct", "check"]
