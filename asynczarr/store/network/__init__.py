"""What stores behind a network share: sessions, exchanges, byte ranges of one version, several requests at a time."""

__all__: list[str] = []
