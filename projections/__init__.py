"""Lookup tables: folds of the domain log, written inline and rebuilt with the same code."""
