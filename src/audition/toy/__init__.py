"""Rendered speech and music, for which nothing needs to be downloaded."""
