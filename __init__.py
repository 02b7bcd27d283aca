"""personlog: which person is behind this ID, and why?

An event-sourced identity-resolution engine. The story of one captured event through the
code is told in ``docs/walkthrough.md``; :mod:`personlog.engine` is where the parts meet.
"""

__version__ = "0.1.0"
