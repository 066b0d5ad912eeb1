"""Photographs by day and by night, by domain and place."""
