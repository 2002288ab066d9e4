"""The report of alignments: a folder with report.html, which needs neither network nor server."""

from tacref.report.page import ReportVideo, write_report

__all__ = ["ReportVideo", "write_report"]
