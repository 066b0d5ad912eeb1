"""Files of other systems: DELF and DELG, hloc, COLMAP, MATLAB."""
