"""A picture of an alignment: one HTML file that needs no network and no server."""

from tacref.alignment.report.html import write_report

__all__ = ["write_report"]
