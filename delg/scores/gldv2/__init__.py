"""Scores and tables of the Google Landmarks competitions."""
