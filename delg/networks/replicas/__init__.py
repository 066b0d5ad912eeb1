"""What replicas of a training tell one another, and variables and classifiers that are parted over them."""
