"""The report: one HTML file with the outputs, scores, histories and settings of methods on an image."""

from jumpset.report._comparison import comparison_page as comparison_page
from jumpset.report._write import check_report_path as check_report_path
from jumpset.report._write import write_report as write_report
