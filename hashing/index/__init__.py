"""Search by Hamming distance: the scan, lists and tables, string ids."""
