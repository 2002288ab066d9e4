"""The report of alignments: a folder with report.html, which needs no network and no server."""

from tacref.report.page import Shown, write_report

__all__ = ["Shown", "write_report"]
