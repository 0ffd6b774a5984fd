"""Finished runs -> what was found: paired tests, intervals, effect sizes, verdicts and their wording.

Pure: reads ``RunRecord`` values and returns values. Knows no store, no files, no terminal; imports
neither torch nor mlflow.
"""
