"""Report: the page a person reads."""

from understudy.report.build import BuiltReport, build_report

__all__ = ["BuiltReport", "build_report"]
