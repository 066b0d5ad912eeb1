"""One module per public image set: how its files become a list of labelled images."""
