"""From results to a page with tables, verdicts and plots."""

from .page import write_page
from .remote import write_remote_page

__all__ = ["write_page", "write_remote_page"]
