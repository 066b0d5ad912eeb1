"""Files that published sets come in: MATLAB, pickles of plain values, tables, lists of names."""
