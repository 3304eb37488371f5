"""The report: one HTML file that shows what a method did to a picture, and with which settings."""

from __future__ import annotations

from jumpset.report._comparison import comparison_page
from jumpset.report._write import check_report_path, write_report

__all__ = ["check_report_path", "comparison_page", "write_report"]
