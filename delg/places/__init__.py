"""Where images were taken: known places, the place of a query by its hits, GeoJSON."""
