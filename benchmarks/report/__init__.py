"""From results to a page with tables, verdicts and plots."""

from .page import write_page

__all__ = ["write_page"]
