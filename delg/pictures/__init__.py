"""Pictures and charts on photographs, and the pages that hold them."""
