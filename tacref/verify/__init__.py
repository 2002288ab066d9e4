"""The proof as a tool: check any implementation of these losses against right answers.

`check` makes a report card, `assert_loss_correct` is for tests, and `python -m tacref.verify` is
the command.
"""

from tacref.verify.card import assert_loss_correct, check
from tacref.verify.report import Report, Row

__all__ = ["Report", "Row", "assert_loss_correct", "check"]
