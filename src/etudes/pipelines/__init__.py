"""The studies. Flat: Kedro finds them by folder and imports only the one that runs."""
