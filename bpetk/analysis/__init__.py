"""What is in a vocabulary, and what it costs on Chinese and English text.

Each function gives a `Result`: figures, tables, charts and findings in English and Chinese, and plain values by
`Result.to_dict`. On the command line they are the verbs of the same names.
"""

from bpetk.analysis.analyzing import analyze
from bpetk.analysis.auditing import audit, failures
from bpetk.analysis.comparison import compare
from bpetk.analysis.compression_curve import CompressionCurve, curve, curve_by_training, measure_curve
from bpetk.analysis.csv_files import write_csv
from bpetk.analysis.deny_lists import DenyList
from bpetk.analysis.inspection import inspect
from bpetk.analysis.page import write_page
from bpetk.analysis.reporting import report
from bpetk.analysis.results import Chart, Figure, Finding, Label, Result, Section, Table
from bpetk.analysis.token_table import TokenTable

__all__ = [
    "Chart",
    "CompressionCurve",
    "DenyList",
    "Figure",
    "Finding",
    "Label",
    "Result",
    "Section",
    "Table",
    "TokenTable",
    "analyze",
    "audit",
    "compare",
    "curve",
    "curve_by_training",
    "failures",
    "inspect",
    "measure_curve",
    "report",
    "write_csv",
    "write_page",
]
