"""Forms of raw data, and one strict reader for each: files and folders of bytes, pictures, IDX, archives."""
