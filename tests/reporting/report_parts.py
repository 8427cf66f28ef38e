"""Names shared by the tests of the reports; a module of its own, since every folder has a ``conftest``."""

EVIL = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>"
VARIANTS = ["majority", "tfidf", "skipped", "encoder"]
LABELS = ["drama", "war & <peace>", "1984"]
