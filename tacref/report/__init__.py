"""The report of alignments: a folder with report.html, which needs neither network nor server."""

from tacref.report.page import write_report
from tacref.report.report_video import ReportVideo

__all__ = ["ReportVideo", "write_report"]
