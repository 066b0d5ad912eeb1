"""Light and darkness evened out before an image is described: one module for each way."""
