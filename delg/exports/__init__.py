"""SavedModels: the exported function, writing them, and any model behind one call."""
