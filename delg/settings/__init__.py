"""Settings of each stage of DELG: flat, frozen, checked where they are made."""
