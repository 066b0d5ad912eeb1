"""Single images: what their bytes say, which are taken, how they are decoded, cropped and augmented."""
