"""A study's report: sections of text, plots and tables, rendered as HTML, Markdown, LaTeX and CSV.

Values in, text out. What is said and which numbers are shown is decided once, in the sections; a renderer
only chooses the notation.
"""
