"""Azure Blob Storage, by its own library."""

from .store import AzureStore

__all__ = ["AzureStore"]
