"""The families of backbones: each module has its records, named in `delg.settings.kinds.BACKBONES`."""
