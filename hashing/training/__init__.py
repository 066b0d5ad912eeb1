"""Training of codes: settings, batches, the objective, the last layers, the loop."""
