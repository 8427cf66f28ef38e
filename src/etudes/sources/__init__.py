"""The raw data sets of the studies: what they are, where they lie, and how to get them.

- :mod:`etudes.sources.table`: the table of sources, the raw folder, what is present and what is missing.
- :mod:`etudes.sources.fetch`: getting the files (download with resume, Hugging Face, archives).
- :mod:`etudes.sources.commands`: the command line, ``kedro data list`` and ``kedro data fetch``.

Nothing is imported here: ``etudes.sources.commands`` is loaded on every start of ``kedro``.
"""
