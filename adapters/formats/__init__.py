"""Formats of other tools: each object as the captured events it stands for."""
