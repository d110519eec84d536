"""Stores that wrap a store: all policy lives here, one small file each."""
