"""How well codes retrieve: metrics, curves, the page."""
