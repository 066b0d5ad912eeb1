"""Where images and labels come from: one module per public set or folder layout."""
