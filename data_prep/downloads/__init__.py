"""Published files: where they are, fetched with resuming and checksums, unpacked safely."""
