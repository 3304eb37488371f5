"""The report: one HTML file with the outputs, scores, histories and settings of methods on an image."""

from __future__ import annotations

from jumpset.report._comparison import comparison_page
from jumpset.report._write import check_report_path, write_report

__all__ = ["check_report_path", "comparison_page", "write_report"]
