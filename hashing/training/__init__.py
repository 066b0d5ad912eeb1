"""Training of codes: settings, losses, centres, the last layers, the loop."""
