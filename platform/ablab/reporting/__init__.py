"""Comparison -> what people and programs read: terminal, Markdown, CSV, JSON.

Computes nothing that a comparison has not decided, and takes the words of verdicts from it.
"""
